// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/diffusion/coefficients.hpp"
#include "transfusion/diffusion/level.hpp"

namespace transfusion::weighting {

/// min(SNR, Gamma) on the error in x0 (Hang et al. 2023, §3.4), whatever the model predicts: an error in y is on_y
/// times as large in x0, which gives min(SNR, Gamma)/SNR for ε, min(SNR, Gamma)/(SNR + 1) for v. 1 where nothing is
/// left of the signal, whatever the model predicts, as in their code.
template <int Gamma = 5>
struct min_snr {
  static_assert(Gamma > 0);

  constexpr double operator()(noise_level level, coefficients target) const {
    if (level.signal == 0) return 1;
    const double signal = level.signal * level.signal;
    const double noise = level.noise * level.noise;
    const double snr = signal < Gamma * noise ? signal / noise : Gamma;
    const double on_y = recover_data(level, target).on_y;
    return snr * on_y * on_y;
  }
};

}  // namespace transfusion::weighting
