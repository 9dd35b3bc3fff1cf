// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/diffusion/schedule/beta_table.hpp"

namespace transfusion::schedule {

/// Ho et al. 2020, §4: β rises linearly from 1e-4 to 0.02 over T = 1000 steps.
struct linear {
  static double signal(double t) { return table().signal(t); }
  static double noise(double t) { return table().noise(t); }

 private:
  static const detail::beta_table& table() {
    static const detail::beta_table t([](double i) { return 1e-4 + (0.02 - 1e-4) * i / 999; });
    return t;
  }
};

}  // namespace transfusion::schedule
