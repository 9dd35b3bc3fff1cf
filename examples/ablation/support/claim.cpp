// SPDX-License-Identifier: Apache-2.0
#include "ablation/support/claim.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace ablation {

namespace {

constexpr double still = 0.05;  // of the value it comes from: a change as small as that is none

/// How many standard errors a mean of n must be away from 0 (Student's t, 95 %, two-sided).
double sure_after(std::size_t n) {
  constexpr double t[] = {12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26};  // n = 2, 3, ... 10
  return n < 2 ? 0 : n - 2 < std::size(t) ? t[n - 2] : 2.2;
}

verdict verdict_of(direction expected, const spread& from, const spread& change) {
  const double noise = sure_after(change.count) * change.error(), size = std::abs(change.mean);
  if (expected == direction::stays) {
    const double band = still * std::abs(from.mean);
    if (size + noise <= band) return verdict::agrees;
    return size - noise > band ? verdict::differs : verdict::unclear;
  }
  if (size <= noise) return verdict::unclear;
  return (change.mean < 0) == (expected == direction::falls) ? verdict::agrees : verdict::differs;
}

std::string numbers_of(const judgement& j, const measure& m) {
  const auto shown = [&](double v) {
    const std::string text = support::fixed(m.scale * v, m.digits);
    return text == support::fixed(-0.0, m.digits) ? text.substr(1) : text;
  };
  std::string text = m.title + ": " + shown(j.from.mean) + " → " + shown(j.to.mean) + ", " +
                     (j.change.mean > 0 ? "+" : "") + shown(j.change.mean);
  return j.change.count < 2 ? text : text + " ± " + shown(j.change.error());
}

std::string meaning_of(const claim& c, const judgement& j) {
  if (j.change.count < 2) return "; one seed, so how sure that is is not known";
  const std::string error = " (standard error of " + std::to_string(j.change.count) + " seeds)";
  if (j.found == verdict::differs) return error + ": more than the seeds' spread explains";
  if (j.found == verdict::agrees) return error;
  if (c.expected == direction::stays) return error + ": the seeds' spread leaves it open";
  if (std::abs(j.change.mean) <= 1e-9 * std::abs(j.from.mean)) return error + ": no change";
  const bool same_way = (j.change.mean < 0) == (c.expected == direction::falls);
  return error + (same_way ? ": that way" : ": the other way") + ", and the seeds' spread explains it";
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
  judgement j{verdict::missing, spread_of(from), spread_of(to), spread_of(change), "not run", "not run"};
  if (change.empty()) return j;
  j.found = verdict_of(c.expected, j.from, j.change);
  j.numbers = numbers_of(j, measure_named(c.measure));
  j.sentence = j.numbers + meaning_of(c, j);
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
