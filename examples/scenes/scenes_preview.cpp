// SPDX-License-Identifier: Apache-2.0
// Draws a sheet of scenes with their captions.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>

#include "scenes/support/draw.hpp"
#include "scenes/support/generate.hpp"
#include "support/grid.hpp"

namespace {

support::grid_cell cell(const scenes::captioned_scene& c, scenes::index_t side) {
  const auto picture = scenes::draw(c.shown, side);
  std::string words = caption(c.words);
  for (const char* before : {" and ", " left", " right", " above", " below"})  // in the picture's width
    if (const auto at = words.find(before); at != std::string::npos) words[at] = '\n';
  return {picture.values, picture.shape, words};
}

}  // namespace

int main(int argc, char** argv) {
  scenes::index_t side = 64, across = 6, down = 6;
  std::uint64_t seed = 1;
  bool held_out = false;
  std::string file = "scenes.png";
  CLI::App app("Draws a sheet of captioned scenes", "scenes_preview");
  app.add_option("file", file, "Where the PNG is written")->capture_default_str();
  app.add_option("--side", side, "Pixels a side of a scene")->capture_default_str()->check(CLI::Range(16, 256));
  app.add_option("--across", across, "Scenes a row")->capture_default_str()->check(CLI::Range(1, 20));
  app.add_option("--down", down, "Rows")->capture_default_str()->check(CLI::Range(1, 100));
  app.add_option("--seed", seed, "Another seed, other scenes")->capture_default_str();
  app.add_flag("--held-out", held_out, "Scenes of held-out prompts, a task a row, in place of training scenes");
  CLI11_PARSE(app, argc, argv);
  try {
    std::vector<support::grid_row> rows;
    for (scenes::index_t r = 0; r < down; ++r) {
      const auto task = scenes::task_at(r % scenes::task_count);
      rows.push_back({held_out ? std::string(name(task)) : std::string(), {}});
      for (scenes::index_t i = 0; i < across; ++i) {
        const auto number = static_cast<std::uint64_t>(r * across + i);
        rows.back().cells.push_back(
            cell(held_out ? held_out_scene(task, seed, number) : scenes::training_scene(seed, number), side));
      }
    }
    draw_grid(rows, {.title = "Scenes of " + std::to_string(side) + "×" + std::to_string(side) + " pixels",
                     .magnify = std::max<scenes::index_t>(1, 192 / side)})
        .save(file);
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "scenes_preview: %s\n", fault.what());
    return 1;
  }
}
