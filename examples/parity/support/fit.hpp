// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "transfusion/core/types.hpp"

/// Transfusion against Chameleon: what either needs to come equally far.
namespace parity {

namespace tf = transfusion;
using tf::index_t;

/// A training: what it cost, and one measure of what came of it.
struct outcome {
  double flops = 0;
  double value = 0;
  bool at_chance = false;  ///< not clearly better than without looking: no line learns from it
};

enum class better { less, more };

/// value = exp(intercept) · flops^slope.
struct power_law {
  double intercept = 0;
  double slope = 0;
  index_t points = 0;  ///< that it was fitted to

  double value_at(double flops) const;
  double flops_at(double value) const;
};

/// Each family's best at a FLOP budget: those than which no cheaper one, nor one of the same cost, is as good. By
/// FLOPs.
std::vector<outcome> frontier(std::span<const outcome> all, better way);

/// The least-squares line through (log flops, log value). Points at chance and those that are not above 0 are left out;
/// nothing where those left have fewer than two different FLOPs.
std::optional<power_law> fitted(std::span<const outcome> points);

/// How many points a line needs at least: two are always on one.
inline constexpr index_t fewest_points = 3;

/// How many times the FLOPs of Chameleon's largest training Transfusion needs to come as far. Trainings at chance do
/// not count in it, nor those whose value has no logarithm.
struct parity_ratio {
  std::optional<power_law> transfusion, chameleon;  ///< through their frontiers
  std::optional<double> ratio;
  std::string why{};   ///< there is no ratio
  double low = 0;      ///< of the 95 % interval by bootstrap over Transfusion's trainings
  double high = 0;     ///< 0 where there is none
  double without = 0;  ///< share of the resamples that have no line
};

/// The paper's parity FLOP ratio (Table 3): Transfusion's line says at how many FLOPs it has the value that Chameleon's
/// largest training has reached. There is none where a frontier has too few points for a line, as it has where more
/// FLOPs are worse, and where Transfusion's line has the value outside its trainings: `why` says so then, with a bound
/// where there is one.
parity_ratio parity_of(std::span<const outcome> transfusion, std::span<const outcome> chameleon, better way,
                       std::uint64_t seed = 0);

}  // namespace parity
