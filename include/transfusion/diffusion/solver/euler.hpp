// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/diffusion/solver/straight_path.hpp"

namespace transfusion::solver {

/// Euler's method on the probability flow: x_next = x + (change of t)·(ε̂ − x̂0) on a rectified flow, and `ddim` on every
/// schedule.
struct euler {
  /// Throws `config_error` unless `next` is earlier and less noisy than `now`.
  static solver_step step(const noise_level& now, const noise_level& next) {
    detail::require_descent("euler", now, next);
    const double kept = detail::share_of(next) / detail::share_of(now), size = detail::size_of(next);
    return {.on_x = size * kept / detail::size_of(now), .on_data = size * (1 - kept)};
  }
};

}  // namespace transfusion::solver
