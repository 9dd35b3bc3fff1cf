// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

namespace transfusion::time_sampling {

/// t = n/1000 with n uniform on {1, …, 1000} (Ho et al. 2020, algorithm 1), for every image.
struct uniform {
  static constexpr int steps = 1000;

  constexpr double operator()(double u, bool /*image_first*/) const { return among(u, steps); }

  /// n/1000 with n uniform on {1, …, most}.
  static constexpr double among(double u, int most) {
    return static_cast<double>(std::min(1 + static_cast<int>(u * most), most)) / steps;
  }
};

}  // namespace transfusion::time_sampling
