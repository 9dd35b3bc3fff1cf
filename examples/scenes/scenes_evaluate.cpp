// SPDX-License-Identifier: Apache-2.0
// Measures a trained model in GenEval's six tasks, on what was held out, and draws a sheet of its pictures.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>

#include "scenes/support/measure.hpp"
#include "scenes/support/score.hpp"
#include "support/grid.hpp"
#include "support/report.hpp"

namespace {

using scenes::index_t;
constexpr std::size_t shown = 8;  // pictures of each task on the sheet

/// "61.0 % (51.0 to 70.0)".
std::string with_interval(const transfusion::bootstrap_result& b) {
  return support::percent(b.value) + " (" + support::fixed(100 * b.low, 1) + " to " + support::fixed(100 * b.high, 1) +
         ")";
}

/// A row of the sheet: what was asked for, in green where it is there.
support::grid_row row_of(scenes::task t, const std::vector<scenes::drawn_picture>& pictures) {
  support::grid_row row{std::string(name(t)), {}};
  for (std::size_t i = 0; i < std::min(shown, pictures.size()); ++i) {
    const auto& [asked, picture] = pictures[i];
    const bool right = is_right(asked, picture);
    row.cells.push_back(
        {picture.values, picture.shape, caption(asked), right ? support::colors::good : support::colors::bad});
  }
  return row;
}

template <class Exec>
void evaluate(Exec& e, const std::string& checkpoint, const scenes::measuring& how, const std::string& sheet) {
  const auto model = scenes::load(e, checkpoint);
  support::markdown_table table({"task, held-out prompts", "pictures right", "captions true"});
  std::vector<support::grid_row> rows;
  double right = 0, told = 0;
  for (index_t i = 0; i < scenes::task_count; ++i) {
    const auto task = scenes::task_at(i);
    const auto pictures = draw_task(model, task, how);
    const auto drawn = share_right(pictures), said = share_true(tell_task(model, task, how));
    right += drawn.value / scenes::task_count;
    told += said.value / scenes::task_count;
    table.row({std::string(name(task)), with_interval(drawn), with_interval(said)});
    rows.push_back(row_of(task, pictures));
  }
  table.row({"mean of the six", support::percent(right), support::percent(told)});
  std::printf("%s\n%lld of each; intervals of 95 %% by bootstrap over prompts, and over captioned scenes\n",
              table.text().c_str(), static_cast<long long>(how.each));
  draw_grid(rows, {.title = "Drawn from held-out prompts: green where all is as asked",
                   .magnify = std::max<index_t>(1, 128 / model.side)})
      .save(sheet);
  std::printf("Pictures: %s\n", sheet.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  scenes::measuring how;
  support::device_settings device;
  std::string checkpoint = "scenes.safetensors", sheet = "scenes_drawn.png";
  CLI::App app("Measures a model of scenes_train on prompts that were held out", "scenes_evaluate");
  how.add_to(app);
  app.add_option("--checkpoint", checkpoint, "The trained model")->capture_default_str()->check(CLI::ExistingFile);
  app.add_option("--out", sheet, "The PNG to write")->capture_default_str();
  device.add_to(app);
  CLI11_PARSE(app, argc, argv);
  try {
    support::on_device(device, [&](auto& e) { evaluate(e, checkpoint, how, sheet); });
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "scenes_evaluate: %s\n", fault.what());
    return 1;
  }
}
