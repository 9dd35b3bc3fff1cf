// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace transfusion {

/// Log-variances of latents are clamped to this range, and have no gradient beyond it (Rombach et al. 2022, the code's
/// DiagonalGaussianDistribution).
inline constexpr double least_log_variance = -30, most_log_variance = 20;

}  // namespace transfusion
