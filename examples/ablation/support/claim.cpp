// SPDX-License-Identifier: Apache-2.0
#include "ablation/support/claim.hpp"

#include <algorithm>
#include <cmath>

namespace ablation {

namespace {

constexpr double still = 0.05;  // of the value it comes from: a change as small as that is none

verdict verdict_of(direction expected, const spread& from, const spread& change) {
  const double noise = 2 * change.error(), size = std::abs(change.mean);
  if (expected == direction::stays) {
    const double band = still * std::abs(from.mean);
    if (size + noise <= band) return verdict::agrees;
    return size - noise > band ? verdict::differs : verdict::unclear;
  }
  if (size <= noise) return verdict::unclear;
  return (change.mean < 0) == (expected == direction::falls) ? verdict::agrees : verdict::differs;
}

std::string sentence_of(const judgement& j, const measure& m) {
  const auto shown = [&](double v) { return support::fixed(m.scale * v, m.digits); };
  std::string text = m.title + ": " + shown(j.from.mean) + " → " + shown(j.to.mean) + " here, a change of " +
                     (j.change.mean > 0 ? "+" : "") + shown(j.change.mean);
  if (j.change.count < 2) return text + " with one seed, so its spread is not known";
  text += " ± " + shown(j.change.error()) + " (standard error of " + std::to_string(j.change.count) + " seeds)";
  if (j.found == verdict::unclear) text += ", which the seeds' spread explains";
  if (j.found == verdict::differs) text += ", more than the seeds' spread explains";
  return text;
}

}  // namespace

judgement judged(const claim& c, std::span<const result> results) {
  std::vector<double> from, to, change;
  for (const result& a : results)
    for (const result& b : results) {
      if (a.trial != c.from || b.trial != c.to || a.seed != b.seed) continue;
      const auto first = a.measure(c.measure), second = b.measure(c.to_measure.empty() ? c.measure : c.to_measure);
      if (!first || !second) continue;
      from.push_back(*first);
      to.push_back(*second);
      change.push_back(*second - *first);
    }
  judgement j{verdict::missing, spread_of(from), spread_of(to), spread_of(change), "not run"};
  if (change.empty()) return j;
  j.found = verdict_of(c.expected, j.from, j.change);
  j.sentence = sentence_of(j, measure_named(c.measure));
  return j;
}

std::string word(verdict v) {
  switch (v) {
    case verdict::agrees:
      return "agrees";
    case verdict::differs:
      return "differs";
    case verdict::unclear:
      return "not clear";
    case verdict::missing:
      break;
  }
  return "not run";
}

}  // namespace ablation
