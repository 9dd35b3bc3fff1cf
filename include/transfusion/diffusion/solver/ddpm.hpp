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

}  // namespace transfusion::solver
