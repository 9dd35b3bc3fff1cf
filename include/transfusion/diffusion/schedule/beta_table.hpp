// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace transfusion::detail {

/// ᾱ = Π (1 − β) over T = 1000 steps: a table of log ᾱ, exact at t = n/1000 and linear in log ᾱ between.
class beta_table {
 public:
  static constexpr std::size_t steps = 1000;

  /// beta(i), i = 0 … T − 1 in double, is β of the step that ends at t = (i + 1)/T.
  template <class Beta>
  explicit beta_table(Beta beta) {
    for (std::size_t n = 1; n <= steps; ++n)
      log_alpha_bar_[n] = log_alpha_bar_[n - 1] + std::log1p(-beta(static_cast<double>(n - 1)));
  }

  double signal(double t) const { return std::exp(0.5 * log_alpha_bar(t)); }
  double noise(double t) const { return std::sqrt(-std::expm1(log_alpha_bar(t))); }

 private:
  double log_alpha_bar(double t) const {
    const double place = t * static_cast<double>(steps);
    const auto left = std::min(static_cast<std::size_t>(place), steps - 1);
    const double share = place - static_cast<double>(left);
    return (1 - share) * log_alpha_bar_[left] + share * log_alpha_bar_[left + 1];
  }

  std::array<double, steps + 1> log_alpha_bar_{};
};

}  // namespace transfusion::detail
