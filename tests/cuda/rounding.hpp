// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "cuda/device_array.hpp"
#include "transfusion/core/bf16.hpp"
#include "transfusion/testing/compare.hpp"

namespace cuda_tests {

/// The largest error of rounding to the nearest T, as a share of the value.
template <class T>
inline constexpr double rounding = 0x1p-24;
template <>
inline constexpr double rounding<bf16> = 0x1p-8;

/// The largest error of any element against host(), as a share of its limit: one rounding of the value to T, and
/// `slack` of the array's largest value for what was done in float before. Infinite where one is no number.
template <class Exec, class T>
double share_of_limit(device_array<Exec, T>& array, double slack) {
  const std::vector<T> values = array.found();
  const view<double, 1> expected = array.host().flat();
  double largest = 0, worst = 0;
  for (index_t i = 0; i < expected.size(); ++i)
    if (std::isfinite(expected[i])) largest = std::max(largest, std::abs(expected[i]));
  for (index_t i = 0; i < expected.size(); ++i) {
    const double a = static_cast<double>(values[static_cast<std::size_t>(i)]), b = expected[i];
    if (std::isfinite(a) != std::isfinite(b)) return std::numeric_limits<double>::infinity();
    if (!std::isfinite(a) || a == b) continue;
    worst = std::max(worst, std::abs(a - b) / (rounding<T> * std::abs(b) + slack * largest));
  }
  return worst;
}

/// The worst share of each operation, for the log and for one check at the end.
class worst_share {
 public:
  explicit worst_share(const char* what) : what_(what) {}
  void see(double share) { worst_ = std::max(worst_, share); }
  double value() const { return worst_; }
  std::string text() const { return std::string(what_) + ": " + std::to_string(worst_) + " of the limit"; }

 private:
  const char* what_;
  double worst_ = 0;
};

/// Calls f, calls it again on what `reset` puts back, and says whether every array has the same bits.
template <class F, class... Arrays>
bool repeats(F f, Arrays&... arrays) {
  f();
  const auto first = std::make_tuple(arrays.found()...);
  (arrays.reset(), ...);
  f();
  const auto second = std::make_tuple(arrays.found()...);
  bool same = true;
  std::apply(
      [&](const auto&... a) {
        std::apply([&](const auto&... b) { same = (testing::same_bits(a, b) && ...); }, second);
      },
      first);
  return same;
}

}  // namespace cuda_tests
