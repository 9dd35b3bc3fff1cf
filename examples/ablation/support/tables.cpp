// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ablation/support/report.hpp"

namespace ablation {

namespace {

/// What a run costs: neither good nor bad, and in every table.
bool is_cost(const measure& m) {
  return m.name == "parameters" || m.name == "seconds" || m.name == "gflop" || m.name == "pictures";
}

/// Whether a table of this experiment has a column for the measure.
bool is_shown(const experiment& e, const measure& m, std::span<const result> results) {
  if (!is_cost(m) && std::find(e.measures.begin(), e.measures.end(), m.name) == e.measures.end()) return false;
  return std::any_of(e.trials.begin(), e.trials.end(),
                     [&](const trial& t) { return over_seeds(t.name, m.name, results).count > 0; });
}

/// Without a spread that would be shown as 0: counts are the same for every seed, or nearly.
std::string cell(const spread& s, const measure& m) {
  const bool none = support::fixed(m.scale * s.deviation, m.digits) == support::fixed(0, m.digits);
  return none && s.count > 0 ? support::fixed(m.scale * s.mean, m.digits) : s.text(m.digits, m.scale);
}

}  // namespace

spread over_seeds(const std::string& trial, const std::string& measure, std::span<const result> results) {
  std::vector<double> values;
  for (const result& r : results)
    if (r.trial == trial)
      if (const auto v = r.measure(measure)) values.push_back(*v);
  return spread_of(values);
}

support::markdown_table measures_table(const experiment& e, std::span<const result> results) {
  std::vector<const measure*> columns;
  std::vector<std::string> head{"variant"};
  for (const measure& m : measures())
    if (is_shown(e, m, results)) {
      columns.push_back(&m);
      head.push_back(m.title + (is_cost(m) ? "" : m.less_is_better ? " ↓" : " ↑"));
    }
  support::markdown_table table(head);
  for (const trial& t : e.trials) {
    std::vector<std::string> cells{t.label};
    for (const measure* m : columns) cells.push_back(cell(over_seeds(t.name, m->name, results), *m));
    table.row(cells);
  }
  return table;
}

std::string sweep_name(const experiment& e, const trial& t, const std::string& solver) {
  return e.trials.size() == 1 ? solver : t.label + ", " + solver;
}

support::markdown_table sweep_table(const experiment& e, std::span<const result> results) {
  std::vector<index_t> counts;
  std::vector<std::pair<const trial*, std::string>> lines;
  for (const trial& t : e.trials)
    for (const result& r : results)
      for (const sweep_point& p : r.sweep) {
        if (r.trial != t.name) continue;
        if (std::find(counts.begin(), counts.end(), p.evaluations) == counts.end()) counts.push_back(p.evaluations);
        const std::pair<const trial*, std::string> line{&t, p.solver};
        if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
      }
  std::sort(counts.begin(), counts.end());
  std::vector<std::string> head{"Fréchet ↓ by evaluations"};
  for (const index_t n : counts) head.push_back(std::to_string(n));
  support::markdown_table table(head);
  const measure& m = measure_named("frechet");
  for (const auto& [t, solver] : lines) {
    std::vector<std::string> cells{sweep_name(e, *t, solver)};
    for (const index_t n : counts)
      cells.push_back(over_seeds(t->name, "frechet:" + solver + ":" + std::to_string(n), results).text(m.digits));
    table.row(cells);
  }
  return table;
}

support::markdown_table claims_table(const experiment& e, std::span<const result> results) {
  support::markdown_table table({"others have found", "source", "here", ""});
  for (const claim& c : e.claims) {
    const judgement j = judged(c, results);
    table.row({c.text, c.source, j.numbers, word(j.found)});
  }
  return table;
}

std::string differences(const experiment& e, std::span<const result> results) {
  std::string text;
  for (const claim& c : e.claims) {
    const judgement j = judged(c, results);
    if (j.found != verdict::differs && j.found != verdict::unclear) continue;
    text += "- " + std::string(j.found == verdict::differs ? "Not so here" : "Not clear here") + ": \"" + c.text +
            "\". " + j.sentence + ".\n";
  }
  return text;
}

}  // namespace ablation
