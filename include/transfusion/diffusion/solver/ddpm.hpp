// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/diffusion/solver/posterior.hpp"
#include "transfusion/diffusion/solver/step.hpp"

namespace transfusion::solver {

/// The paper's sampler: ancestral sampling with the "fixed small" variance β̃ (Ho et al. 2020, eq. 6–7), between any two
/// levels (Nichol & Dhariwal 2021, §3.3).
struct ddpm {
  /// Throws `config_error` unless `next` is earlier and less noisy than `now`, and some signal is left at `next`.
  static solver_step step(const noise_level& now, const noise_level& next) {
    detail::require_descent("ddpm", now, next);
    require<config_error>(next.signal > 0, "ddpm: found no signal at time ", next.time, ", expected some");
    const detail::posterior q = detail::posterior_of(now, next);
    return {.on_x = q.on_x, .on_data = q.on_data, .fresh_noise = std::sqrt(std::fmax(q.variance, 0.0))};
  }
};

/// The same with the "fixed large" variance (Ho et al. 2020, §3.2): that of x_next given x_t where the data are N(0,
/// I), which is β where signal² + noise² = 1. The step to the clean image adds none (Nichol & Dhariwal 2021, their
/// code).
struct ddpm_large {
  /// Throws as `ddpm` does.
  static solver_step step(const noise_level& now, const noise_level& next) {
    detail::require_descent("ddpm_large", now, next);
    require<config_error>(next.signal > 0, "ddpm_large: found no signal at time ", next.time, ", expected some");
    const detail::posterior q = detail::posterior_of(now, next);
    const double before = next.signal * next.signal + next.noise * next.noise;
    const double after = now.signal * now.signal + now.noise * now.noise;
    const double kept = now.signal / next.signal;
    const double added = now.noise * now.noise - kept * kept * next.noise * next.noise;
    const double fresh = next.noise > 0 ? std::sqrt(std::fmax(added * before / after, 0.0)) : 0;
    return {.on_x = q.on_x, .on_data = q.on_data, .fresh_noise = fresh};
  }
};

}  // namespace transfusion::solver
