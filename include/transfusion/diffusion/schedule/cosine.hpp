// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

namespace transfusion::schedule {

/// The paper's schedule (§2.2): Nichol & Dhariwal 2021, eq. 17, with s = 0.008 and β ≤ 0.999 on T = 1000 steps.
/// ᾱ(t) = f(t)/f(0) with f(t) = cos²((t + s)/(1 + s)·π/2). The bound on β acts on the last step only, where it keeps
/// ᾱ at or above 0.001·ᾱ(0.999).
struct cosine {
  static double signal(double t) {
    static const double least = std::sqrt(0.001) * std::cos(angle(0.999)) / std::cos(angle(0));
    return std::fmax(std::cos(angle(t)) / std::cos(angle(0)), least);
  }
  static double noise(double t) {
    if (t > 0.999) return std::sqrt((1 - signal(t)) * (1 + signal(t)));
    // cos²α − cos²β = sin(β − α)·sin(β + α): no cancellation near t = 0.
    const double rise = t / (1 + shift) * quarter_turn;
    return std::sqrt(std::sin(rise) * std::sin(rise + 2 * angle(0))) / std::cos(angle(0));
  }

 private:
  static constexpr double shift = 0.008;
  static constexpr double quarter_turn = 1.57079632679489661923;

  static constexpr double angle(double t) { return (t + shift) / (1 + shift) * quarter_turn; }
};

}  // namespace transfusion::schedule
