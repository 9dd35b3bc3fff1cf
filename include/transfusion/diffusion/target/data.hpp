// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/diffusion/coefficients.hpp"

namespace transfusion::target {

/// The clean image x0.
struct data {
  static constexpr coefficients of(double, double) { return {.data = 1, .noise = 0}; }
};

}  // namespace transfusion::target
