// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/diffusion/coefficients.hpp"

namespace transfusion::target {

/// v = a·ε − b·x0 (Salimans & Ho 2022, appendix D).
struct v {
  static constexpr coefficients of(double a, double b) { return {.data = -b, .noise = a}; }
};

}  // namespace transfusion::target
