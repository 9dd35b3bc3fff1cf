// SPDX-License-Identifier: Apache-2.0
// Captions picture files with a trained model.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "folder/support/options.hpp"
#include "folder/support/trained.hpp"
#include "support/image_file.hpp"

namespace {

using transfusion::index_t;

struct request {
  std::vector<std::string> files;
  index_t count = 1;
  bool convert = false;
  bool skip_bad = false;
};

template <class Exec>
void caption(const folder::trained<Exec>& model, const request& r, const folder::writing& how) {
  const auto rule = r.convert ? support::channel_rule::convert : support::channel_rule::exact;
  std::vector<transfusion::image> pictures;
  std::vector<std::string> names;
  for (const std::string& file : r.files) try {
      pictures.push_back({model.shape(), support::load_image(file, model.shape(), rule).values()});
      names.push_back(file);
    } catch (const transfusion::error& fault) {
      if (!r.skip_bad) throw;
      std::fprintf(stderr, "skipped: %s\n", fault.what());
    }
  const auto captions = model.describe(pictures, r.count, how);
  for (std::size_t i = 0; i < captions.size(); ++i)
    std::printf("%s: %s\n", names[i / static_cast<std::size_t>(r.count)].c_str(), captions[i].c_str());
  if (names.size() < r.files.size())
    std::fprintf(stderr, "%zu of %zu pictures skipped\n", r.files.size() - names.size(), r.files.size());
  transfusion::require<transfusion::config_error>(!names.empty(), "found no usable picture among ", r.files.size(),
                                                  ", expected one");
}

}  // namespace

int main(int argc, char** argv) {
  folder::common_options common;
  folder::writing how;
  request r;
  CLI::App app("Captions PNG or JPEG pictures, cropped and resized as in training.", "folder_caption");
  app.add_option("file", r.files, "The pictures")->required();
  common.add_to(app);
  app.add_option("--count", r.count, "Captions a picture (more than one wants a --temperature)")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  folder::add_writing(app, how);
  app.add_flag("--convert", r.convert, "Make grey of colour, or colour of grey; else another channel count is bad");
  app.add_flag("--skip-bad", r.skip_bad, "Leave bad pictures out, and count them; else they stop the program");
  try {
    app.parse(argc, argv);
    how.seed = common.seed;
    support::on_device(common.device, [&](auto& e) { caption(folder::trained(e, common.checkpoint), r, how); });
  } catch (const CLI::ParseError& fault) {
    return app.exit(fault) == 0 ? 0 : 1;
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "folder_caption: %s\n", fault.what());
    return 1;
  }
}
