// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace transfusion {

/// One step of a solver: x_next = on_x·x_t + on_data·x0_hat + fresh_noise·z with z ~ N(0, I).
struct solver_step {
  double on_x = 0;
  double on_data = 0;
  double fresh_noise = 0;
};

}  // namespace transfusion
