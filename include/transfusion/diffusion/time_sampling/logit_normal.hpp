// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

namespace transfusion::time_sampling {

/// t = sigmoid(mean + deviation·z), z ~ N(0, 1) (Esser et al. 2024, §3.1). Continuous in (0, 1); the same for every
/// image.
struct logit_normal {
  double mean = 0;
  double deviation = 1;

  double operator()(double u, bool /*image_first*/) const {
    return 1 / (1 + std::exp(-(mean + deviation * normal_quantile(u))));
  }

 private:
  static double normal_quantile(double u) { return u > 0.5 ? -lower_quantile(1 - u) : lower_quantile(u); }

  /// z <= 0 with Φ(z) = u. log Φ is concave, so Newton's iteration from the left of the root climbs to it without
  /// overshooting.
  static double lower_quantile(double u) {
    double z = -std::sqrt(-2 * std::log(u));
    for (int iteration = 0; iteration < 32; ++iteration) {
      const double probability = 0.5 * std::erfc(-z * 0.70710678118654752440);
      const double density = 0.39894228040143267794 * std::exp(-0.5 * z * z);
      const double rise = std::log(u / probability) * probability / density;
      z += rise;
      if (std::abs(rise) < 1e-15 * (1 + std::abs(z))) break;
    }
    return z;
  }
};

}  // namespace transfusion::time_sampling
