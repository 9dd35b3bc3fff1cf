// SPDX-License-Identifier: Apache-2.0
// Measures a trained model in GenEval's six tasks, on what was held out, and draws a sheet of its pictures.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>

#include "scenes/support/fit.hpp"
#include "scenes/support/measure.hpp"
#include "scenes/support/score.hpp"
#include "support/grid.hpp"
#include "support/report.hpp"
#include "support/uncertainty.hpp"

namespace {

using scenes::index_t;
constexpr std::size_t shown = 8;  // pictures of each task on the sheet

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

/// How similar drawn and true pictures of the same prompts are to them.
void print_fit(support::paired_embedder& embedder, const std::vector<scenes::drawn_picture>& drawn,
               const scenes::measuring& how) {
  support::markdown_table table({"pictures of held-out prompts", "similarity", "recall at 1", "recall at 5"});
  const auto row = [&](const char* what, const std::vector<scenes::drawn_picture>& pictures) {
    const auto fit = fit_of(embedder, pictures);
    const auto& s = fit.similarity;
    table.row({what,
               support::fixed(s.value, 1) + " (" + support::fixed(s.low, 1) + " to " + support::fixed(s.high, 1) + ")",
               support::with_interval(fit.recall_1), support::with_interval(fit.recall_5)});
  };
  row("drawn", drawn);
  row("true", true_pictures(drawn, drawn.front().picture.shape.height, how.seed));
  std::printf("\n%s\nby an embedder of scenes and captions, among %lld different prompts\n", table.text().c_str(),
              static_cast<long long>(drawn.size()));
}

template <class Exec>
void evaluate(Exec& e, const std::string& checkpoint, const scenes::measuring& how, const std::string& sheet,
              const scenes::embedder_source& from, int threads) {
  constexpr index_t compared = 100;  // prompts
  const auto model = scenes::load(e, checkpoint);
  support::markdown_table table({"task, held-out prompts", "pictures right", "captions true"});
  const auto embedder = scene_embedder(from, model.side, threads);
  std::vector<support::grid_row> rows;
  std::vector<std::vector<scenes::drawn_picture>> all;
  double right = 0, told = 0;
  for (index_t i = 0; i < scenes::task_count; ++i) {
    const auto task = scenes::task_at(i);
    const auto pictures = draw_task(model, task, how);
    const auto drawn = share_right(pictures), said = share_true(tell_task(model, task, how));
    right += drawn.value / scenes::task_count;
    told += said.value / scenes::task_count;
    table.row({std::string(name(task)), support::with_interval(drawn), support::with_interval(said)});
    rows.push_back(row_of(task, pictures));
    all.push_back(pictures);
  }
  table.row({"mean of the six", support::percent(right), support::percent(told)});
  std::printf("%s\n%lld of each; intervals of 95 %% by bootstrap over prompts, and over captioned scenes\n",
              table.text().c_str(), static_cast<long long>(how.each));
  print_fit(*embedder, different_prompts(all, compared), how);
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
  scenes::embedder_source from;
  how.add_to(app);
  from.add_to(app);
  app.add_option("--checkpoint", checkpoint, "The trained model")->capture_default_str()->check(CLI::ExistingFile);
  app.add_option("--out", sheet, "The PNG to write")->capture_default_str();
  device.add_to(app);
  CLI11_PARSE(app, argc, argv);
  try {
    support::on_device(device, [&](auto& e) { evaluate(e, checkpoint, how, sheet, from, device.threads); });
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "scenes_evaluate: %s\n", fault.what());
    return 1;
  }
}
