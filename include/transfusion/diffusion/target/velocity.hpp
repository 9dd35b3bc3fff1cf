// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/diffusion/coefficients.hpp"

namespace transfusion::target {

/// The velocity ε − x0 of the straight path (Liu et al. 2022, eq. 1).
struct velocity {
  static constexpr coefficients of(double, double) { return {.data = -1, .noise = 1}; }
};

}  // namespace transfusion::target
