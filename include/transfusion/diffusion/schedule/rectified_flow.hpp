// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace transfusion::schedule {

/// The straight path from data to noise, x_t = (1 − t)·x0 + t·ε (Liu et al. 2022; Lipman et al. 2022).
struct rectified_flow {
  static constexpr double signal(double t) { return 1 - t; }
  static constexpr double noise(double t) { return t; }
};

}  // namespace transfusion::schedule
