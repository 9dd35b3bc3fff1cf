// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/core/error.hpp"

namespace transfusion::schedule {

/// Jabri et al. 2022, appendix (Chen 2023, algorithm 1): ᾱ(t) = (σ(end/τ) − σ(x(t)))/(σ(end/τ) − σ(start/τ)) with
/// x(t) = (start + t·(end − start))/τ and σ the logistic function, bounded to ᾱ ≥ 1e-9. Other numbers are set in a
/// struct that derives from it.
struct sigmoid {
  double start = -3;
  double end = 3;
  double tau = 1;

  /// Both throw config_error unless start < end and tau > 0.
  double signal(double t) const { return std::sqrt(std::fmax(share(t, 1), least)); }
  double noise(double t) const { return share(t, 1) < least ? std::sqrt(1 - least) : std::sqrt(share(0, t)); }

 private:
  static constexpr double least = 1e-9;

  /// How much of the way from 0 to 1 lies between two times. σ(b) − σ(a) = sinh((b − a)/2)/(2·cosh(a/2)·cosh(b/2)): no
  /// cancellation near either end.
  double share(double from, double to) const {
    if (!(start < end && tau > 0))
      throw config_error(detail::message("schedule::sigmoid: found start ", start, ", end ", end, ", tau ", tau,
                                         ", expected start < end and tau > 0"));
    return rise(from, to) / rise(0, 1);
  }
  double rise(double from, double to) const {
    const double a = (start + from * (end - start)) / (2 * tau), b = (start + to * (end - start)) / (2 * tau);
    return std::sinh(b - a) / (2 * std::cosh(a) * std::cosh(b));
  }
};

}  // namespace transfusion::schedule
