// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/error.hpp"
#include "transfusion/diffusion/level.hpp"

namespace transfusion::detail {

/// q(x_next | x_t, x0) of a Gaussian path, written from its two levels alone: mean on_x·x_t + on_data·x0, and variance.
struct posterior {
  double on_x = 0;
  double on_data = 0;
  double variance = 0;
};

/// Throws `config_error` unless `next` is the earlier and less noisy of the two levels.
inline void require_descent(const char* solver, const noise_level& now, const noise_level& next) {
  const bool descends = next.time < now.time && now.noise > 0 && now.signal * next.noise <= next.signal * now.noise;
  if (!descends)
    throw config_error(message(solver, ": found a step from time ", now.time, " (signal ", now.signal, ", noise ",
                               now.noise, ") to time ", next.time, " (signal ", next.signal, ", noise ", next.noise,
                               "), expected one to an earlier, less noisy level"));
}

/// Kingma et al. 2021, appendix A. `added` is the noise variance from `next` to `now`: β' = 1 − ᾱ_now/ᾱ_next where
/// signal² + noise² = 1, and right for other schedules too.
inline posterior posterior_of(const noise_level& now, const noise_level& next) {
  const double kept = now.signal / next.signal;
  const double before = next.noise * next.noise;
  const double after = now.noise * now.noise;
  const double added = after - kept * kept * before;
  return {.on_x = kept * before / after, .on_data = next.signal * added / after, .variance = added * before / after};
}

}  // namespace transfusion::detail
