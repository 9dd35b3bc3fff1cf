// SPDX-License-Identifier: Apache-2.0
#include "parity/support/fit.hpp"

#include <algorithm>
#include <cmath>

#include "support/report.hpp"
#include "transfusion/core/philox.hpp"

namespace parity {

namespace {

constexpr int resamples = 1000;

/// What a line can go through.
std::vector<outcome> usable(std::span<const outcome> points) {
  std::vector<outcome> some(points.begin(), points.end());
  std::erase_if(
      some, [](const outcome& o) { return o.at_chance || !(o.flops > 0 && o.value > 0 && std::isfinite(o.value)); });
  return some;
}

/// The line through a frontier, where that has points enough.
std::optional<power_law> frontier_line(std::span<const outcome> all, better way) {
  const auto line = fitted(frontier(usable(all), way));
  return line && line->points >= fewest_points ? line : std::nullopt;
}

/// The training that cost most.
outcome largest(std::span<const outcome> all) {
  return *std::max_element(all.begin(), all.end(),
                           [](const outcome& a, const outcome& b) { return a.flops < b.flops; });
}

/// Why a family has no line.
std::string no_line(const std::string& name, std::span<const outcome> all, better way) {
  const auto some = usable(all);
  const auto points = std::ssize(frontier(some, way));
  std::string text = name + ": found " + std::to_string(points) + " trainings of " + std::to_string(all.size()) +
                     " that are better than all cheaper ones, expected " + std::to_string(fewest_points) +
                     " for a line";
  const auto at_chance = std::count_if(all.begin(), all.end(), [](const outcome& o) { return o.at_chance; });
  const auto without = std::ssize(all) - at_chance - std::ssize(some);
  if (at_chance > 0) text += "; " + std::to_string(at_chance) + " are not better than chance";
  if (without > 0) text += "; " + std::to_string(without) + " are not above 0 and have no logarithm";
  const auto through_all = fitted(some);
  if (through_all && (through_all->slope > 0) == (way == better::less) && through_all->slope != 0)
    text += "; the slope over all that count has the wrong sign, " + support::fixed(through_all->slope, 3);
  return text;
}

std::vector<outcome> resampled(std::span<const outcome> all, const tf::random_key& key) {
  std::vector<outcome> some;
  for (std::size_t i = 0; i < all.size(); ++i)
    some.push_back(all[static_cast<std::size_t>(key.below(i, std::ssize(all)))]);
  return some;
}

/// The middle 95 % of the ratios that resampled trainings have, wherever their lines have the value.
void set_interval(parity_ratio& p, std::span<const outcome> transfusion, const outcome& reached, better way,
                  std::uint64_t seed) {
  std::vector<double> ratios;
  for (std::uint32_t r = 0; r < resamples; ++r)
    if (const auto line = frontier_line(resampled(transfusion, {seed, r, tf::stream::resampling}), way))
      ratios.push_back(line->flops_at(reached.value) / reached.flops);
  p.without = 1 - static_cast<double>(ratios.size()) / resamples;
  if (ratios.empty()) return;
  std::sort(ratios.begin(), ratios.end());
  const auto at = [&](double share) {
    return ratios[static_cast<std::size_t>(std::lround(share * static_cast<double>(ratios.size() - 1)))];
  };
  p.low = at(0.025);
  p.high = at(0.975);
}

}  // namespace

double power_law::value_at(double flops) const { return std::exp(intercept + slope * std::log(flops)); }
double power_law::flops_at(double value) const { return std::exp((std::log(value) - intercept) / slope); }

std::vector<outcome> frontier(std::span<const outcome> all, better way) {
  const auto beats = [&](double a, double b) { return way == better::less ? a < b : a > b; };
  std::vector<outcome> sorted(all.begin(), all.end()), best;
  std::sort(sorted.begin(), sorted.end(), [&](const outcome& a, const outcome& b) {
    return a.flops != b.flops ? a.flops < b.flops : beats(a.value, b.value);
  });
  for (const outcome& o : sorted)
    if (best.empty() || beats(o.value, best.back().value)) best.push_back(o);
  return best;
}

std::optional<power_law> fitted(std::span<const outcome> points) {
  const auto some = usable(points);
  const double count = static_cast<double>(some.size());
  double x = 0, y = 0;
  for (const outcome& o : some) {
    x += std::log(o.flops) / count;
    y += std::log(o.value) / count;
  }
  double along = 0, across = 0;
  for (const outcome& o : some) {
    along += (std::log(o.flops) - x) * (std::log(o.flops) - x);
    across += (std::log(o.flops) - x) * (std::log(o.value) - y);
  }
  if (some.size() < 2 || along <= 1e-12 * x * x) return std::nullopt;
  const double slope = across / along;
  return power_law{y - slope * x, slope, std::ssize(some)};
}

parity_ratio parity_of(std::span<const outcome> transfusion, std::span<const outcome> chameleon, better way,
                       std::uint64_t seed) {
  parity_ratio p{frontier_line(transfusion, way), frontier_line(chameleon, way), {}};
  if (!p.transfusion) p.why = no_line("Transfusion", transfusion, way);
  if (!p.chameleon) p.why += (p.why.empty() ? "" : "; ") + no_line("Chameleon", chameleon, way);
  if (!p.why.empty()) return p;
  const outcome reached = largest(usable(chameleon));
  const double ratio = p.transfusion->flops_at(reached.value) / reached.flops;
  const double least = frontier(usable(transfusion), way).front().flops / reached.flops;
  const double most = largest(usable(transfusion)).flops / reached.flops;
  set_interval(p, transfusion, reached, way, seed);
  if (ratio < 0.999999 * least)
    p.why = "below " + support::fixed(least, 3) + ": Transfusion's line is better already at its cheapest training";
  else if (ratio > 1.000001 * most)
    p.why = "above " + support::fixed(most, 3) + ": Transfusion's line is worse still at its largest training";
  else
    p.ratio = ratio;
  return p;
}

}  // namespace parity
