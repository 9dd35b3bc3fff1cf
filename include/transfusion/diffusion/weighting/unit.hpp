// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/diffusion/coefficients.hpp"
#include "transfusion/diffusion/level.hpp"

namespace transfusion::weighting {

/// Every image counts the same: the paper's loss (eq. 3, L_simple of Ho et al. 2020).
struct unit {
  constexpr double operator()(noise_level, coefficients) const { return 1; }
};

}  // namespace transfusion::weighting
