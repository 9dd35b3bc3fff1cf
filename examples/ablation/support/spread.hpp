// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <span>
#include <string>

#include "support/report.hpp"

namespace ablation {

/// The mean of repeated measurements and their standard deviation (of a sample: over n − 1; 0 for a single one).
struct spread {
  double mean = 0;
  double deviation = 0;
  std::size_t count = 0;

  /// Of the mean: deviation / √n.
  double error() const { return count > 0 ? deviation / std::sqrt(static_cast<double>(count)) : 0; }

  /// "12.30 ± 0.41"; without a spread where there is one measurement, "" where there is none.
  std::string text(int digits, double scale = 1) const {
    if (count == 0) return "";
    const std::string middle = support::fixed(scale * mean, digits);
    return count == 1 ? middle : middle + " ± " + support::fixed(scale * deviation, digits);
  }
};

inline spread spread_of(std::span<const double> values) {
  spread s{.count = values.size()};
  for (const double v : values) s.mean += v / static_cast<double>(s.count);
  if (s.count < 2) return s;
  double squares = 0;
  for (const double v : values) squares += (v - s.mean) * (v - s.mean);
  s.deviation = std::sqrt(squares / static_cast<double>(s.count - 1));
  return s;
}

}  // namespace ablation
