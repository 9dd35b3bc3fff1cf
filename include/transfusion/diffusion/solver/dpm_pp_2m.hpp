// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/diffusion/solver/posterior.hpp"
#include "transfusion/diffusion/solver/run.hpp"

namespace transfusion::solver {

/// DPM-Solver++(2M) (Lu et al. 2022, "DPM-Solver++", algorithm 2): order 2 with one evaluation a step, by drawing the
/// line through the last two x̂0 in λ = log(signal/noise). The first step, and one to the clean image, where λ is
/// infinite, are DDIM.
struct dpm_pp_2m {
  void operator()(solver_run& run, const std::vector<double>& times) const {
    const field x = run.x, data = run.make(), before = run.make();
    double change_before = INFINITY;
    for (std::size_t k = 0; k + 1 < times.size(); ++k) {
      const noise_level now = run.level(times[k]), next = run.level(times[k + 1]);
      detail::require_descent("dpm_pp_2m", now, next);
      const double change = std::log(next.signal / next.noise) - std::log(now.signal / now.noise);
      const double ahead = next.noise > 0 && std::isfinite(change) ? change / (2 * change_before) : 0;
      const double old = next.noise / now.noise, fresh = next.signal - now.signal * old;
      run.repeat([&] {
        run.predict(data, x, now);
        run.combine(x, {{old, x}, {fresh * (1 + ahead), data}, {-fresh * ahead, before}});
        run.combine(before, {{1, data}});
      });
      run.reached(next);
      change_before = change;
    }
  }
};

}  // namespace transfusion::solver
