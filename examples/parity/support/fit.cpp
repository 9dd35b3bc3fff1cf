// SPDX-License-Identifier: Apache-2.0
#include "parity/support/fit.hpp"

#include <algorithm>
#include <cmath>

#include "support/report.hpp"
#include "transfusion/core/philox.hpp"

namespace parity {

namespace {

constexpr int resamples = 1000;

std::vector<outcome> above_zero(std::span<const outcome> points) {
  std::vector<outcome> some(points.begin(), points.end());
  std::erase_if(some, [](const outcome& o) { return !(o.flops > 0 && o.value > 0 && std::isfinite(o.value)); });
  return some;
}

/// The line through a frontier, where that has points enough.
std::optional<power_law> frontier_line(std::span<const outcome> all, better way) {
  const auto line = fitted(frontier(above_zero(all), way));
  return line && line->points >= fewest_points ? line : std::nullopt;
}

/// The training that cost most.
outcome largest(std::span<const outcome> all) {
  return *std::max_element(all.begin(), all.end(),
                           [](const outcome& a, const outcome& b) { return a.flops < b.flops; });
}

/// Why a family has no line.
std::string no_line(const std::string& name, std::span<const outcome> all, better way) {
  const auto usable = above_zero(all);
  const auto points = std::ssize(frontier(usable, way));
  std::string text = name + ": found " + std::to_string(points) + " trainings of " + std::to_string(all.size()) +
                     " that are better than all cheaper ones, expected " + std::to_string(fewest_points) +
                     " for a line";
  if (usable.size() < all.size())
    text += "; " + std::to_string(all.size() - usable.size()) + " are 0 and have no logarithm";
  const auto through_all = fitted(usable);
  if (through_all && (through_all->slope > 0) == (way == better::less) && through_all->slope != 0)
    text += "; the slope over all of them has the wrong sign, " + support::fixed(through_all->slope, 3);
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
  const auto usable = above_zero(points);
  const double count = static_cast<double>(usable.size());
  double x = 0, y = 0;
  for (const outcome& o : usable) {
    x += std::log(o.flops) / count;
    y += std::log(o.value) / count;
  }
  double along = 0, across = 0;
  for (const outcome& o : usable) {
    along += (std::log(o.flops) - x) * (std::log(o.flops) - x);
    across += (std::log(o.flops) - x) * (std::log(o.value) - y);
  }
  if (usable.size() < 2 || along <= 1e-12 * x * x) return std::nullopt;
  const double slope = across / along;
  return power_law{y - slope * x, slope, std::ssize(usable)};
}

parity_ratio parity_of(std::span<const outcome> transfusion, std::span<const outcome> chameleon, better way,
                       std::uint64_t seed) {
  parity_ratio p{frontier_line(transfusion, way), frontier_line(chameleon, way), {}};
  if (!p.transfusion) p.why = no_line("Transfusion", transfusion, way);
  if (!p.chameleon) p.why += (p.why.empty() ? "" : "; ") + no_line("Chameleon", chameleon, way);
  if (!p.why.empty()) return p;
  const outcome reached = largest(above_zero(chameleon));
  const double ratio = p.transfusion->flops_at(reached.value) / reached.flops;
  const double least = frontier(above_zero(transfusion), way).front().flops / reached.flops;
  const double most = largest(transfusion).flops / reached.flops;
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
