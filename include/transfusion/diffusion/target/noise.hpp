// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/diffusion/coefficients.hpp"

namespace transfusion::target {

/// The noise ε, the paper's target (§2.2, eq. 3; Ho et al. 2020, eq. 14).
struct noise {
  static constexpr coefficients of(double, double) { return {.data = 0, .noise = 1}; }
};

}  // namespace transfusion::target
