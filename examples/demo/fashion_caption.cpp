// SPDX-License-Identifier: Apache-2.0
// Captions image files, or test pictures by number, with a trained model.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "demo/support/evaluation.hpp"
#include "demo/support/training.hpp"
#include "support/image_file.hpp"

namespace {

template <class Exec>
void describe(Exec& e, const fashion::settings& common, const std::string& checkpoint,
              const std::vector<std::string>& files, const std::vector<transfusion::index_t>& numbers) {
  fashion::model<Exec> m = fashion::load(e, checkpoint);
  std::vector<transfusion::image> pictures;
  std::vector<std::string> names;
  for (const std::string& file : files) {
    pictures.push_back({fashion::picture_shape,
                        support::load_image(file, fashion::picture_shape, support::channel_rule::convert).values()});
    names.push_back(file);
  }
  if (!numbers.empty()) {
    const fashion::data d(common.data_folder);
    for (auto i : numbers) {
      transfusion::require<transfusion::config_error>(i >= 0 && i < d.test().count, "--test: found ", i,
                                                      ", expected 0 to ", d.test().count - 1);
      pictures.push_back(d.picture(d.test(), i));
      names.push_back("test picture " + std::to_string(i) + " (" + fashion::caption(d.test().label(i)) + ")");
    }
  }
  const auto captions = fashion::greedy_captions(m, pictures);
  for (std::size_t i = 0; i < captions.size(); ++i) std::printf("%s: %s\n", names[i].c_str(), captions[i].c_str());
}

}  // namespace

int main(int argc, char** argv) {
  fashion::settings common;
  std::string checkpoint = "demo/fashion.safetensors";
  std::vector<std::string> files;
  std::vector<transfusion::index_t> numbers;
  CLI::App app("Captions pictures: white clothes on black, like the training set's.", "fashion_caption");
  common.add_to(app);
  app.add_option("file", files, "PNG or JPEG files")->check(CLI::ExistingFile);
  app.add_option("--test", numbers, "Numbers of test pictures");
  app.add_option("--checkpoint", checkpoint, "The trained model")->capture_default_str()->check(CLI::ExistingFile);
  CLI11_PARSE(app, argc, argv);
  try {
    transfusion::require<transfusion::config_error>(!files.empty() || !numbers.empty(),
                                                    "found no picture, expected files or --test numbers");
    support::on_device(common.device, [&](auto& e) { describe(e, common, checkpoint, files, numbers); });
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "fashion_caption: %s\n", fault.what());
    return 1;
  }
}
