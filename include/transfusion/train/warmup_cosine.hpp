// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/core/error.hpp"
#include "transfusion/core/types.hpp"

namespace transfusion {

/// Linear warm-up to `peak`, then half a cosine down to `last` at step `steps` (paper §4.1: 3e-4, 4000 steps, 1.5e-5).
struct warmup_cosine {
  double peak = 3e-4;
  double last = 1.5e-5;
  index_t warmup = 4000;
  index_t steps = 250000;

  /// The rate of step 0, 1, ….
  double operator()(index_t step) const {
    if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup);
    if (step >= steps) return last;
    const double part = static_cast<double>(step - warmup) / static_cast<double>(steps - warmup);
    return last + (peak - last) * 0.5 * (1 + std::cos(3.14159265358979323846 * part));
  }
};

}  // namespace transfusion
