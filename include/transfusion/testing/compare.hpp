// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "transfusion/core/view.hpp"

namespace transfusion::testing {

/// A copy of a policy's array in host memory.
template <class Exec, class T, int Rank>
std::vector<std::remove_const_t<T>> on_host(Exec& exec, view<T, Rank> device) {
  std::vector<std::remove_const_t<T>> host(static_cast<std::size_t>(device.size()));
  exec.download(host.data(), device.data, host.size() * sizeof(T));
  return host;
}

/// The largest difference, as a share of the largest value expected. Infinite where the sizes differ, or where one of
/// two values is not finite and the other is another one.
template <class A, class B>
double normalised_error(const std::vector<A>& found, const std::vector<B>& expected) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (found.size() != expected.size()) return infinity;
  double error = 0, size = std::numeric_limits<double>::min();
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double a = static_cast<double>(found[i]), b = static_cast<double>(expected[i]);
    if (a == b && !std::isfinite(b)) continue;
    if (!std::isfinite(a) || !std::isfinite(b)) return infinity;
    error = std::max(error, std::abs(a - b));
    size = std::max(size, std::abs(b));
  }
  return error / size;
}

/// Whether two arrays are the same, bit for bit.
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

}  // namespace transfusion::testing
