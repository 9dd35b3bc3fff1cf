// SPDX-License-Identifier: Apache-2.0
// Draws pictures from captions with a trained model, or lets it write and draw what it likes.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "folder/support/options.hpp"
#include "folder/support/trained.hpp"
#include "support/grid.hpp"

namespace {

using transfusion::index_t;

struct request {
  std::vector<std::string> captions;
  index_t count = 8;
  std::filesystem::path out = "drawn.png";
  std::filesystem::path pictures{};  ///< a folder for each picture alone; empty: none
};

/// The rows of pictures that the request asks for.
template <class Exec>
std::vector<support::grid_row> drawn_rows(const folder::trained<Exec>& model, const request& r,
                                          const folder::drawing& how, const folder::writing& words) {
  std::vector<support::grid_row> rows;
  if (r.captions.empty()) {
    rows.push_back({"", {}});
    for (auto& d : model.write(r.count, words, how)) {
      if (d.pictures.empty()) std::printf("a text without a picture: %s\n", d.caption.c_str());
      for (auto& picture : d.pictures) rows[0].cells.push_back({std::move(picture.values), picture.shape, d.caption});
    }
    transfusion::require<transfusion::config_error>(!rows[0].cells.empty(), "found no picture in ", r.count,
                                                    " documents, expected one; try another --seed or --temperature");
    return rows;
  }
  const auto pictures = model.draw(r.captions, r.count, how);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    if (i % static_cast<std::size_t>(r.count) == 0)
      rows.push_back({r.captions[i / static_cast<std::size_t>(r.count)], {}});
    rows.back().cells.push_back({pictures[i].values, pictures[i].shape});
  }
  return rows;
}

/// Every picture as a PNG of its own, 1.png, 2.png, … in the order of the rows.
void save_each(const std::vector<support::grid_row>& rows, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  int number = 0;
  for (const auto& row : rows)
    for (const auto& cell : row.cells) {
      support::picture alone(cell.shape.width, cell.shape.height);
      alone.blit(cell.values, cell.shape, 0, 0);
      alone.save(folder / (std::to_string(++number) + ".png"));
    }
}

template <class Exec>
void sample(const folder::trained<Exec>& model, const request& r, const folder::drawing& how,
            const folder::writing& words) {
  const auto rows = drawn_rows(model, r, how, words);
  const index_t magnify = std::max<index_t>(1, 96 / model.shape().width);
  draw_grid(rows, {.magnify = magnify}).save(r.out);
  if (!r.pictures.empty()) save_each(rows, r.pictures);
  std::size_t count = 0;
  for (const auto& row : rows) count += row.cells.size();
  std::printf("%zu pictures: %s\n", count, r.out.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  folder::common_options common;
  folder::drawing how;
  folder::writing words{.text = {.temperature = 1}};
  request r;
  CLI::App app("Draws pictures from captions. Without a caption the model writes and draws documents of its own.",
               "folder_sample");
  app.add_option("caption", r.captions, "Captions, one row of pictures each");
  common.add_to(app);
  app.add_option("--count", r.count, "Pictures a caption, or documents")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_option("--guidance", how.guidance, "Scale of classifier-free guidance; 1: none")->capture_default_str();
  app.add_option("--image-steps", how.image_steps, "Solver steps a picture")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  folder::add_writing(app, words);
  app.add_option("--out", r.out, "The PNG to write, all pictures in a grid")->capture_default_str();
  app.add_option("--pictures", r.pictures, "A folder to write each picture into as a PNG of its own");
  try {
    app.parse(argc, argv);
    how.seed = words.seed = common.seed;
    support::on_device(common.device, [&](auto& e) { sample(folder::trained(e, common.checkpoint), r, how, words); });
  } catch (const CLI::ParseError& fault) {
    return app.exit(fault) == 0 ? 0 : 1;
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "folder_sample: %s\n", fault.what());
    return 1;
  }
}
