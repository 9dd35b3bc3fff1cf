// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace transfusion::schedule {

/// Ho et al. 2020, §4: β rises linearly from 1e-4 to 0.02 over T = 1000 steps. A table of log ᾱ, exact at t = n/1000
/// and linear in log ᾱ between.
struct linear {
  static double signal(double t) { return std::exp(0.5 * log_alpha_bar(t)); }
  static double noise(double t) { return std::sqrt(-std::expm1(log_alpha_bar(t))); }

 private:
  static constexpr std::size_t steps = 1000;

  static double log_alpha_bar(double t) {
    static const std::array<double, steps + 1> table = make_table();
    const double place = t * static_cast<double>(steps);
    const auto left = std::min(static_cast<std::size_t>(place), steps - 1);
    const double share = place - static_cast<double>(left);
    return (1 - share) * table[left] + share * table[left + 1];
  }
  static std::array<double, steps + 1> make_table() {
    std::array<double, steps + 1> table{};
    for (std::size_t n = 1; n <= steps; ++n) {
      const double beta = 1e-4 + (0.02 - 1e-4) * static_cast<double>(n - 1) / static_cast<double>(steps - 1);
      table[n] = table[n - 1] + std::log1p(-beta);
    }
    return table;
  }
};

}  // namespace transfusion::schedule
