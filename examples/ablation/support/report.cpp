// SPDX-License-Identifier: Apache-2.0
#include "ablation/support/report.hpp"

#include <algorithm>
#include <map>

#include "ablation/support/runner.hpp"
#include "support/chart.hpp"
#include "support/grid.hpp"
#include "support/strip.hpp"

namespace ablation {
namespace fs = std::filesystem;

namespace {

using support::series;

/// The mean over the seeds of what `value(result)` gives, where it gives anything.
template <class F>
spread mean_over(const trial& t, std::span<const result> results, F value) {
  std::vector<double> values;
  for (const result& r : results)
    if (r.trial == t.name)
      if (const std::optional<double> v = value(r)) values.push_back(*v);
  return spread_of(values);
}

/// The denoising losses of training.
std::vector<series> loss_lines(const experiment& e, const settings& s, std::span<const result> results) {
  std::vector<series> lines;
  if (std::find(e.measures.begin(), e.measures.end(), "denoising") == e.measures.end()) return lines;
  for (const trial& t : e.trials) {
    series line{t.label, {}, {}};
    for (std::size_t part = 0;; ++part) {
      std::size_t parts = 0;
      const spread at = mean_over(t, results, [&](const result& r) -> std::optional<double> {
        parts = r.losses.size();
        return part < parts ? std::optional(r.losses[part]) : std::nullopt;
      });
      if (at.count == 0) break;
      line.x.push_back((static_cast<double>(part) + 0.5) * static_cast<double>(s.steps) / static_cast<double>(parts));
      line.y.push_back(at.mean);
    }
    if (!line.x.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

/// Fréchet distances over the trials' x.
std::vector<series> trial_lines(const experiment& e, std::span<const result> results) {
  std::vector<series> lines;
  for (const trial& t : e.trials) {
    const spread at = over_seeds(t.name, "frechet", results);
    if (t.line.empty() || at.count == 0) continue;
    auto line = std::find_if(lines.begin(), lines.end(), [&](const series& l) { return l.name == t.line; });
    if (line == lines.end()) line = lines.insert(lines.end(), {t.line, {}, {}});
    line->x.push_back(t.x);
    line->y.push_back(at.mean);
  }
  return lines;
}

/// Fréchet distances over evaluations of the model.
std::vector<series> sweep_lines(const experiment& e, std::span<const result> results) {
  std::vector<series> lines;
  for (const trial& t : e.trials) {
    std::map<std::string, std::map<index_t, std::vector<double>>> found;
    for (const result& r : results)
      if (r.trial == t.name)
        for (const sweep_point& p : r.sweep) found[p.solver][p.evaluations].push_back(p.frechet);
    for (const auto& [solver, points] : found) {
      series line{sweep_name(e, t, solver), {}, {}};
      for (const auto& [evaluations, values] : points) {
        line.x.push_back(static_cast<double>(evaluations));
        line.y.push_back(spread_of(values).mean);
      }
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

/// Draws the lines into a PNG of this name, and puts it into the report; nothing where there are none.
void add_chart(support::markdown_report& report, const fs::path& folder, const std::string& name,
               const std::vector<series>& lines, support::chart_options options) {
  if (lines.empty()) return;
  options.width = 760;
  options.height = 420;
  support::draw_chart(lines, options).save(folder / name);
  report.picture(name, options.title);
}

support::grid_row row_of(const std::string& label, const fs::path& strip, tf::image_shape shape) {
  support::grid_row row{label, {}};
  for (tf::image& p : support::read_strip(strip, shape)) row.cells.push_back({std::move(p.values), shape});
  return row;
}

/// A row a trial or, of a sweep, a solver with the fewest and the most evaluations: what the first seed has drawn.
std::vector<support::grid_row> sheet_rows(const experiment& e, const fs::path& strips, tf::image_shape shape,
                                          std::span<const result> results) {
  std::vector<support::grid_row> rows;
  for (const trial& t : e.trials)
    for (const result& r : results) {
      if (r.trial != t.name || r.seed != 1) continue;
      if (!r.pictures.empty()) rows.push_back(row_of(t.label, strips / r.pictures, shape));
      for (std::size_t i = 0; i < r.sweep.size(); ++i) {
        const bool first = i == 0 || r.sweep[i - 1].solver != r.sweep[i].solver;
        const bool last = i + 1 == r.sweep.size() || r.sweep[i + 1].solver != r.sweep[i].solver;
        const sweep_point& p = r.sweep[i];
        const std::string label = sweep_name(e, t, p.solver) + ", " + std::to_string(p.evaluations);
        if (first || last) rows.push_back(row_of(label, strips / p.pictures, shape));
      }
    }
  return rows;
}

void add_sheet(support::markdown_report& report, const fs::path& folder, const fs::path& strips, const experiment& e,
               const settings& s, const corpus& data, std::span<const result> results) {
  const auto rows = sheet_rows(e, strips, data.shape(), results);
  if (rows.empty()) return;
  support::grid_options options{.title = e.title, .columns = {}, .magnify = 2};
  const auto captions = data.to_draw(s.drawn);
  for (const index_t place : data.to_show(s.drawn))
    options.columns.push_back(data.short_caption(captions[static_cast<std::size_t>(place)]));
  const std::string name = e.name + "_pictures.png";
  support::draw_grid(rows, options).save(folder / name);
  report.picture(name, "Drawn after training with seed 1");
}

void add_experiment(support::markdown_report& report, const fs::path& folder, const fs::path& strips,
                    const experiment& e, const settings& s, const corpus& data, std::span<const result> results) {
  report.heading(e.title).paragraph(e.about).table(measures_table(e, results));
  const auto sweeps = sweep_lines(e, results);
  if (!sweeps.empty()) report.table(sweep_table(e, results));
  report.table(claims_table(e, results));
  if (const std::string text = differences(e, results); !text.empty()) report.paragraph(text);
  add_chart(report, folder, e.name + "_sweep.png", sweeps,
            {.title = e.title + ": distance to real pictures",
             .x_label = "evaluations of the model",
             .log_x = true,
             .log_y = true,
             .points = true});
  add_chart(report, folder, e.name + "_frechet.png", trial_lines(e, results),
            {.title = e.title + ": distance to real pictures", .x_label = e.x_label, .log_x = true, .points = true});
  add_chart(report, folder, e.name + "_losses.png", loss_lines(e, s, results),
            {.title = e.title + ": denoising loss in training", .x_label = "step", .log_y = true});
  add_sheet(report, folder, strips, e, s, data, results);
}

std::string about_training(const settings& s, const corpus& data) {
  const auto n = [](index_t v) { return std::to_string(v); };
  return "Data: " + data.name() + ", " + n(std::ssize(data.train())) + " pictures to train on and " +
         n(std::ssize(data.held_out())) + " held out. Every variant is trained for " + n(s.steps) + " steps of " +
         n(s.pairs) +
         " pictures with their captions (but for patch sizes, see there), four in five caption first, with " +
         n(s.seeds) + (s.seeds == 1 ? " seed" : " seeds") +
         "; with the same seed all see the same pictures in the same order. Usual sizes: " + n(s.layers) +
         " layers, width " + n(s.width) + ", " + n(s.heads) +
         " heads, patches of 4 × 4, λ = 5; the model predicts v, steadier in short runs than the paper's ε, unless a "
         "table says otherwise. Each draws " +
         n(s.drawn) + " pictures in " + std::to_string(s.image_steps) + " steps with guidance " +
         support::fixed(s.guidance, 1) +
         ", with averaged weights. What ± says is the standard deviation over the seeds. A change, seed by seed, "
         "counts where Student's t makes it 95 % sure.";
}

std::string about_measures(std::span<const result> results) {
  std::string text =
      "Captions right: how often the right caption is the likeliest of ten. Perplexity: of held-out pictures' "
      "captions, marks included. Denoising loss: of held-out pictures after their captions, the same noise for all. "
      "TFLOP: of the training's matrix products and convolutions.";
  for (const result& r : results) {
    if (r.trial != real_pictures) continue;
    text += " As many real pictures have a Fréchet distance of " + support::fixed(r.measures.at("frechet"));
    if (const auto right = r.measure("judged"))
      text += "; the judge, a small classifier trained on real pictures, is right on " + support::percent(*right) +
              " of them. Distances are taken in its features, to the held-out pictures.";
    else
      text += ", taken in the means over 8 × 8 areas, to all pictures.";
  }
  return text;
}

support::markdown_table overview(const std::vector<experiment>& list, std::span<const result> results) {
  support::markdown_table table({"experiment", "agrees", "differs", "not clear"});
  for (const experiment& e : list) {
    std::map<verdict, int> counts;
    for (const claim& c : e.claims) ++counts[judged(c, results).found];
    const auto count = [&](verdict v) { return std::to_string(counts[v]); };
    table.row({e.title, count(verdict::agrees), count(verdict::differs), count(verdict::unclear)});
  }
  return table;
}

}  // namespace

void save_report(const fs::path& folder, const fs::path& strips, const std::vector<experiment>& list, const settings& s,
                 const corpus& data, std::span<const result> results) {
  support::markdown_report report("The paper's experiments at small scale");
  report.paragraph(about_training(s, data)).paragraph(about_measures(results)).table(overview(list, results));
  for (const experiment& e : list) add_experiment(report, folder, strips, e, s, data, results);
  report.save(folder / "report.md");
}

}  // namespace ablation
