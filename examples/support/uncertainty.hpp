// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "support/report.hpp"
#include "transfusion/metric/bootstrap.hpp"
#include "transfusion/metric/frechet_result.hpp"

// Measures as reports show them, with how sure they are.
namespace support {

/// A share of one with its interval: "84.4 % (83.0 to 85.7)".
inline std::string with_interval(const transfusion::bootstrap_result& share) {
  return percent(share.value) + " (" + fixed(100 * share.low, 1) + " to " + fixed(100 * share.high, 1) + ")";
}

/// A number with its standard error: "45.32 ± 2.10".
inline std::string with_error(double value, double standard_error, int digits = 2) {
  return fixed(value, digits) + " ± " + fixed(standard_error, digits);
}

inline std::string with_error(const transfusion::frechet_result& found, int digits = 2) {
  return with_error(found.value, found.standard_error, digits);
}

}  // namespace support
