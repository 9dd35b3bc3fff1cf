// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/lanes.hpp"

namespace transfusion {
namespace detail {

/// The standard deviation of `count` values. Counted from the first of them, so that equal values give exactly 0.
template <class T>
T deviation(index_t count, const T* x) {
  const auto origin = all(x[0]);
  const T mean = sum_in_strips<T>(
                     count, [&](auto v) { return v - origin; }, x) /
                 static_cast<T>(count);
  const auto centre = all(mean);
  const T squares = sum_in_strips<T>(
      count, [&](auto v) { return (v - origin - centre) * (v - origin - centre); }, x);
  return std::sqrt(squares / static_cast<T>(count));
}

/// The quantile of `count` values, which it leaves in another order; linear between neighbours. What is no number
/// counts as larger than any.
template <class T>
T linear_quantile(index_t count, T* values, double quantile) {
  const auto less = [](T u, T v) { return u < v || (!std::isnan(u) && std::isnan(v)); };
  const double place = quantile * static_cast<double>(count - 1);
  const index_t below = static_cast<index_t>(place);
  std::nth_element(values, values + below, values + count, less);
  const T low = values[below];
  if (below + 1 == count) return low;
  const T high = *std::min_element(values + below + 1, values + count, less);
  return low + static_cast<T>(place - static_cast<double>(below)) * (high - low);
}

/// Calls f(first value, number of values, image) for every image that has any, images in parallel.
template <class F>
void each_image(const cpu_team& team, view<const image_place, 1> images, index_t cost, const F& f) {
  const index_t weight = images.size() > 0 ? cost * images[0].shape.size() : 1;
  team.run_pieces(images.size(), weight, [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i)
      if (const index_t count = images[i].shape.size(); count > 0) f(images[i].first_value, count, i);
  });
}

}  // namespace detail

template <class Scalar>
void cpu_exec<Scalar>::match_deviation(vector x, const_vector reference, images places, double strength) {
  detail::each_image(team_, places, 4, [&](index_t at, index_t count, index_t) {
    const Scalar own = detail::deviation<Scalar>(count, x.data + at);
    if (own == 0) return;
    const Scalar ratio = detail::deviation<Scalar>(count, reference.data + at) / own;
    const auto by = detail::all(static_cast<Scalar>(strength) * ratio + static_cast<Scalar>(1 - strength));
    detail::transform(
        count, x.data + at, [&](auto v) { return v * by; }, static_cast<const Scalar*>(x.data + at));
  });
}

template <class Scalar>
void cpu_exec<Scalar>::dynamic_threshold(vector x, images places, double quantile, double floor) {
  Scalar* sizes = team_.reserve<Scalar>(detail::scratch::values, x.size());
  detail::each_image(team_, places, 8, [&](index_t at, index_t count, index_t) {
    for (index_t e = at; e < at + count; ++e) sizes[e] = std::abs(x[e]);
    const Scalar least = static_cast<Scalar>(floor);
    const Scalar most = std::max(least, detail::linear_quantile(count, sizes + at, quantile)), by = least / most;
    // Written as selections, so that what is not a number stays visible.
    for (index_t e = at; e < at + count; ++e) {
      const Scalar v = x[e] < -most ? -most : x[e];
      x[e] = (v > most ? most : v) * by;
    }
  });
}

template <class Scalar>
void cpu_exec<Scalar>::scaled_error(vector out, const_vector error, const_vector a, const_vector b, images places,
                                    double absolute, double relative) {
  using Eigen::internal::pabs;
  const auto least = detail::all(static_cast<Scalar>(absolute)), part = detail::all(static_cast<Scalar>(relative));
  const auto squared = [&](auto e, auto u, auto v) {
    const auto share = e / (least + part * Eigen::internal::pmax(pabs(u), pabs(v)));
    return share * share;
  };
  detail::each_image(team_, places, 2, [&](index_t at, index_t count, index_t i) {
    const Scalar squares = detail::sum_in_strips<Scalar>(count, squared, error.data + at, a.data + at, b.data + at);
    out[i] = std::sqrt(squares / static_cast<Scalar>(count));
  });
}

}  // namespace transfusion
