// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>

#include "transfusion/core/error.hpp"

namespace transfusion {

/// A time and how much is left of the image there: x_t = signal·x0 + noise·ε.
struct noise_level {
  double time = 0;
  double signal = 1;
  double noise = 0;

  friend constexpr bool operator==(const noise_level&, const noise_level&) = default;
};

/// Signal and noise scalars over time: t = 0 is the clean image, t = 1 the noisiest; the paper's step n of T is t =
/// n/T.
template <class Schedule>
concept noise_schedule = requires(const Schedule& schedule, double t) {
  { schedule.signal(t) } -> std::convertible_to<double>;
  { schedule.noise(t) } -> std::convertible_to<double>;
};

/// The level of a schedule at time t. Throws `config_error` where t lies outside [0, 1].
template <noise_schedule Schedule>
constexpr noise_level level_at(const Schedule& schedule, double t) {
  if (!(t >= 0 && t <= 1)) throw config_error(detail::message("noise schedule: found time ", t, ", expected 0 to 1"));
  return {.time = t, .signal = schedule.signal(t), .noise = schedule.noise(t)};
}

}  // namespace transfusion
