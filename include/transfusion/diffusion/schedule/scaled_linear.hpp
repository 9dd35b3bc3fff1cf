// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/diffusion/schedule/beta_table.hpp"

namespace transfusion::schedule {

/// Stable Diffusion's (Rombach et al. 2022, as published in its code): √β rises linearly from √0.00085 to √0.012 over
/// T = 1000 steps. It ends with a signal of 0.068, not with pure noise.
struct scaled_linear {
  static double signal(double t) { return table().signal(t); }
  static double noise(double t) { return table().noise(t); }

 private:
  static const detail::beta_table& table() {
    static const detail::beta_table t([](double i) {
      const double first = std::sqrt(0.00085), root = first + (std::sqrt(0.012) - first) * i / 999;
      return root * root;
    });
    return t;
  }
};

}  // namespace transfusion::schedule
