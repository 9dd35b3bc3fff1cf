// SPDX-License-Identifier: Apache-2.0
// Measures how often a fine-tuned model carries out instructions on combinations that were held out, and reports it
// with a sheet of its pictures.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "scenes/support/draw.hpp"
#include "scenes/support/edit_measure.hpp"
#include "support/grid.hpp"
#include "support/report.hpp"
#include "support/uncertainty.hpp"

namespace {

using scenes::drawn_edit, scenes::edit_verdict, scenes::index_t;

constexpr std::size_t shown = 4;  // edits of each action on the sheet

/// A part of the verdict, and what the report calls it.
struct measured_part {
  const char* words;
  const char* key;
  bool edit_verdict::*part;
};
constexpr measured_part parts[] = {{"carried out", "carried_out", &edit_verdict::carried_out},
                                   {"change is there", "changed", &edit_verdict::changed},
                                   {"colour is there", "coloured", &edit_verdict::coloured},
                                   {"rest stayed", "others_kept", &edit_verdict::others_kept}};

std::string in_words(const edit_verdict& v) {
  if (v.carried_out) return "as asked";
  const std::string change = v.changed ? "changed" : v.coloured ? "colour alone" : "not changed";
  return change + (v.others_kept ? ", rest stayed" : ", rest did not stay");
}

/// A row of the sheet: pictures before with the instruction, and after with the verdict.
support::grid_row row_of(const std::string& label, const std::vector<drawn_edit>& edits, index_t side) {
  support::grid_row row{label, {}};
  for (std::size_t i = 0; i < std::min(shown, edits.size()); ++i) {
    const auto& [e, picture, verdict] = edits[i];
    const auto before = draw(e.before, side);
    row.cells.push_back({before.values, before.shape, instruction(e.asked)});
    row.cells.push_back({picture.values, picture.shape, in_words(verdict),
                         verdict.carried_out ? support::colors::good : support::colors::bad});
  }
  return row;
}

/// What is written of a measurement.
struct outcome {
  support::markdown_table table;
  nlohmann::json numbers = nlohmann::json::object();
  std::vector<support::grid_row> rows = {};
};

std::vector<std::string> table_head() {
  std::vector<std::string> head{"action"};
  for (const auto& p : parts) head.emplace_back(p.words);
  return head;
}

void add_row(outcome& o, const std::string& label, const std::vector<drawn_edit>& edits) {
  std::vector<std::string> cells{label};
  for (const auto& [words, key, part] : parts) {
    const auto share = share_of(part, edits);
    cells.push_back(support::with_interval(share));
    o.numbers[label][key] = {{"value", share.value}, {"low", share.low}, {"high", share.high}};
  }
  o.table.row(std::move(cells));
}

outcome measured(const std::vector<drawn_edit>& edits, index_t side) {
  outcome o{support::markdown_table(table_head())};
  for (index_t i = 0; i < scenes::action_count; ++i) {
    const auto label = name(scenes::action_at(i));
    const auto some = of_action(scenes::action_at(i), edits);
    add_row(o, label, some);
    o.rows.push_back(row_of(label, some, side));
  }
  add_row(o, "all", edits);
  return o;
}

/// The columns' titles of a sheet of `pairs` pictures before and after.
std::vector<std::string> titles(std::size_t pairs) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < pairs; ++i) all.insert(all.end(), {"before", "after"});
  return all;
}

struct report_settings {
  std::string checkpoint = "scenes_edit.safetensors", out = "scenes_edit";
  bool familiar = false;
};

/// Writes the report's three files: OUT.md, OUT.json, OUT.png.
void save(const outcome& o, const report_settings& to, const scenes::measuring& how, index_t side) {
  const std::string what = to.familiar ? "familiar combinations that were not trained on" : "held-out combinations";
  draw_grid(o.rows, {.title = "Edits of " + what + ": green where all is as asked",
                     .columns = titles(o.rows.front().cells.size() / 2),
                     .magnify = std::max<index_t>(1, 128 / side)})
      .save(to.out + ".png");
  const nlohmann::json settings = {
      {"checkpoint", to.checkpoint}, {"familiar", to.familiar},  {"each", how.each},
      {"image_steps", how.steps},    {"guidance", how.guidance}, {"image_guidance", *how.image_guidance},
      {"draw_seed", how.seed}};
  support::write_file(to.out + ".json", nlohmann::json{{"settings", settings}, {"shares", o.numbers}}.dump(1) + "\n");
  support::markdown_report("Edits of scenes")
      .paragraph(std::to_string(how.each) + " edits of each action, of " + what + ", drawn by " + to.checkpoint +
                 " in " + std::to_string(how.steps) + " steps, guidance " + support::fixed(how.guidance) +
                 " of the instruction and " + support::fixed(*how.image_guidance) +
                 " of the picture. Intervals of 95 % by bootstrap over edits.")
      .table(o.table)
      .paragraph(
          "*Carried out*: the whole picture is as asked, by the detector. *Change is there*: the object is certain to "
          "have become what it is to be, or nothing is in its place. *Colour is there*: the same of any shape. *Rest "
          "stayed*: the other object is certain to be where it was.")
      .picture(std::filesystem::path(to.out).filename().string() + ".png", "Before, instruction, after")
      .save(to.out + ".md");
}

template <class Exec>
void evaluate(Exec& e, const report_settings& to, const scenes::measuring& how) {
  using scenes::combinations;
  const auto model = scenes::load(e, to.checkpoint, scenes::edit_vocabulary_size());
  const auto of = to.familiar ? combinations::familiar : combinations::held_out;
  const outcome o = measured(draw_edits(model, of, how), model.side);
  save(o, to, how, model.side);
  std::printf("%s\nReport: %s.md, numbers: %s.json, pictures: %s.png\n", o.table.text().c_str(), to.out.c_str(),
              to.out.c_str(), to.out.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  scenes::measuring how{.each = 34, .guidance = 2, .image_guidance = 1.5};
  report_settings to;
  support::device_settings device;
  CLI::App app("Measures a model of scenes_edit_train on held-out combinations", "scenes_edit_evaluate");
  how.add_to(app);
  app.add_option("--image-guidance", how.image_guidance, "Scale of guidance by the picture before")
      ->default_str(support::fixed(*how.image_guidance));
  app.add_option("--checkpoint", to.checkpoint, "The fine-tuned model")
      ->capture_default_str()
      ->check(CLI::ExistingFile);
  app.add_option("--out", to.out, "Report without its endings .md, .json and .png")->capture_default_str();
  app.add_flag("--familiar", to.familiar, "Edits of scenes without anything held out, not of the training set");
  device.add_to(app);
  CLI11_PARSE(app, argc, argv);
  try {
    support::on_device(device, [&](auto& e) { evaluate(e, to, how); });
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "scenes_edit_evaluate: %s\n", fault.what());
    return 1;
  }
}
