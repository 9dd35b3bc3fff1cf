// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/types.hpp"

namespace transfusion {

namespace detail {

/// numerator/denominator to the nearest whole number, halves to the even one.
constexpr index_t rounded_ratio(index_t numerator, index_t denominator) {
  const index_t whole = numerator / denominator;
  const index_t twice_rest = 2 * (numerator % denominator);
  return whole + (twice_rest > denominator || (twice_rest == denominator && whole % 2 != 0) ? 1 : 0);
}

}  // namespace detail

/// The times of a sampling run of `steps` steps, steps + 1 values falling from 1 to 0: t = (i + 1)/T at the indices
/// i = round(k·(T − 1)/(steps − 1)) of the T training steps (Nichol & Dhariwal 2021, §4), then 0. A single step starts
/// at t = 1. Throws `config_error` unless 1 <= steps <= T.
inline std::vector<double> respaced_times(int steps, int T = 1000) {
  require<config_error>(steps >= 1 && steps <= T, "sampling: found ", steps, " steps, expected 1 to ", T);
  std::vector<double> times;
  times.reserve(static_cast<std::size_t>(steps) + 1);
  for (index_t k = steps - 1; k >= 0; --k) {
    const index_t i = steps == 1 ? T - 1 : detail::rounded_ratio(k * (T - 1), steps - 1);
    times.push_back(static_cast<double>(i + 1) / T);
  }
  times.push_back(0);
  return times;
}

}  // namespace transfusion
