// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/diffusion/solver/posterior.hpp"
#include "transfusion/diffusion/solver/step.hpp"

namespace transfusion::solver {

/// Song et al. 2020 (DDIM), eq. 12 and 16, for any schedule: eta 0 is deterministic (Euler's method on a rectified
/// flow), eta 1 is `ddpm`.
struct ddim {
  double eta = 0;

  /// Throws `config_error` unless `next` is earlier and less noisy than `now`, and eta lies in [0, 1].
  solver_step step(const noise_level& now, const noise_level& next) const {
    detail::require_descent("ddim", now, next);
    require<config_error>(eta >= 0 && eta <= 1, "ddim: found eta ", eta, ", expected 0 to 1");
    const double fresh = eta > 0 ? eta * std::sqrt(std::fmax(fresh_variance(now, next), 0.0)) : 0.0;
    // What the fresh noise does not supply of the next level's noise is the old noise (x_t − signal·x0)/noise, scaled.
    const double old = std::sqrt(std::fmax((next.noise - fresh) * (next.noise + fresh), 0.0)) / now.noise;
    return {.on_x = old, .on_data = next.signal - now.signal * old, .fresh_noise = fresh};
  }

 private:
  static double fresh_variance(const noise_level& now, const noise_level& next) {
    require<config_error>(next.signal > 0, "ddim: found no signal at time ", next.time,
                          ", expected some where eta > 0");
    return detail::posterior_of(now, next).variance;
  }
};

}  // namespace transfusion::solver
