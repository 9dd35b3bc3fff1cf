// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/policy_name.hpp"
#include "transfusion/core/types.hpp"
#include "transfusion/diffusion/inverse.hpp"
#include "transfusion/diffusion/level.hpp"

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

/// How the times of a sampling run are chosen among the T = 1000 steps of training, n = 1 … T at t = n/T; S is the
/// number of sampling steps. The names but the first and last are those of Lin et al. 2023, table 2, as published in
/// diffusers (`timestep_spacing`).
enum class spacing {
  respaced,  ///< the paper's: evenly from T to 1, both among them (`respaced_times`)
  leading,   ///< n = 1 + k·⌊T/S⌋: begins below T, at a level that has some signal left
  linspace,  ///< the same times as `respaced`, under the other name
  trailing,  ///< n = round(T·(k + 1)/S), halves to the even one: begins at T
  karras  ///< Karras et al. 2022, eq. 5, ρ = 7: even steps in σ^(1/ρ) with σ = noise/signal, from t = 1 to t = 1/T
};

namespace detail {

/// Where σ is larger at t = 1, or infinite, Karras' spacing takes this instead, the σ_max of their table 1; the first
/// time stays 1.
inline constexpr double most_karras_ratio = 80;

template <noise_schedule Schedule>
std::vector<double> karras_times(int steps, const Schedule& schedule, int T) {
  constexpr double rho = 7;
  const noise_level first = level_at(schedule, 1), last = level_at(schedule, 1.0 / T);
  const double least = last.noise / last.signal;
  const double most = first.noise < most_karras_ratio * first.signal ? first.noise / first.signal : most_karras_ratio;
  require<config_error>(least > 0 && least < most, "karras spacing of ", policy_name<Schedule>(),
                        ": found noise/signal ", least, " at time ", last.time, ", expected above 0 and below the ",
                        most, " it begins with");
  const double from = std::pow(most, 1 / rho), to = std::pow(least, 1 / rho);
  std::vector<double> times{1};
  times.reserve(static_cast<std::size_t>(steps) + 1);
  for (int k = 1; k + 1 < steps; ++k)
    times.push_back(time_of_ratio(schedule, std::pow(from + (to - from) * k / (steps - 1), rho)));
  if (steps > 1) times.push_back(last.time);
  times.push_back(0);
  return times;
}

}  // namespace detail

/// The times of a sampling run of `steps` steps over T = 1000, steps + 1 values falling to 0. Only `karras` reads the
/// schedule. Throws `config_error` unless 1 <= steps <= T, and where Karras' ratios do not rise with time.
template <noise_schedule Schedule>
std::vector<double> spaced_times(spacing how, int steps, const Schedule& schedule) {
  constexpr int T = 1000;
  require<config_error>(steps >= 1 && steps <= T, "sampling: found ", steps, " steps, expected 1 to ", T);
  if (how == spacing::respaced || how == spacing::linspace) return respaced_times(steps, T);
  if (how == spacing::karras) return detail::karras_times(steps, schedule, T);
  std::vector<double> times;
  times.reserve(static_cast<std::size_t>(steps) + 1);
  for (index_t k = steps - 1; k >= 0; --k) {
    const index_t n = how == spacing::leading ? 1 + k * (T / steps) : detail::rounded_ratio(T * (k + 1), steps);
    times.push_back(static_cast<double>(n) / T);
  }
  times.push_back(0);
  return times;
}

}  // namespace transfusion
