// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "transfusion/diffusion/coefficients.hpp"
#include "transfusion/diffusion/level.hpp"

namespace transfusion::weighting {

/// What `per_schedule` asks for: w of λ = log(signal²/noise²).
namespace shape {

/// w(λ) = 1: the variational bound, maximum likelihood (Kingma et al. 2021).
struct likelihood {
  constexpr double operator()(double /*log_snr*/) const { return 1; }
};

/// w(λ) = 1/(1 + exp(λ − bias)) (Kingma & Gao 2023): falls as the signal rises.
struct sigmoid {
  double bias = 2;

  double operator()(double log_snr) const { return 1 / (1 + std::exp(log_snr - bias)); }
};

}  // namespace shape

/// ½·w(λ)·(−dλ/dt) on the error in ε, whatever the model predicts (Kingma et al. 2021; Kingma & Gao 2023). With t
/// uniform the loss is an integral over λ, the same for every schedule between its ends. `Schedule` is the variant's
/// own, `Shape` is w. 0 where there is no noise.
template <class Schedule, class Shape = shape::sigmoid>
struct per_schedule {
  using schedule_type = Schedule;

  Schedule schedule{};
  Shape shape{};

  /// Throws `config_error` where ε cannot be recovered from the target.
  double operator()(noise_level level, coefficients target) const {
    if (level.noise == 0) return 0;
    const double on_y = recover_noise(level, target).on_y;
    const double log_snr = 2 * std::log(level.signal / level.noise);
    return 0.5 * shape(log_snr) * fall_of_log_snr(level.time) * on_y * on_y;
  }

 private:
  /// −dλ/dt by a central difference; half a step of training away from the ends, where it may be infinite.
  double fall_of_log_snr(double time) const {
    const double t = std::clamp(time, 0.0005, 0.9995), reach = 1e-3 * std::min(t, 1 - t);
    const auto log_ratio = [&](double at) { return std::log(schedule.noise(at) / schedule.signal(at)); };
    return (log_ratio(t + reach) - log_ratio(t - reach)) / reach;
  }
};

}  // namespace transfusion::weighting
