// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/core/log_variance.hpp"
#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/lanes.hpp"

namespace transfusion {
namespace detail {

/// Log-variances within their range; what is no number stays it.
template <class T>
lanes<T> clamped_log_variance(const lanes<T>& v) {
  using Eigen::internal::pcmp_lt, Eigen::internal::pselect;
  const lanes<T> least = all(static_cast<T>(least_log_variance)), most = all(static_cast<T>(most_log_variance));
  return pselect(pcmp_lt(v, least), least, pselect(pcmp_lt(most, v), most, v));
}

/// A gradient with respect to log-variances v: none beyond their range.
template <class T>
lanes<T> within_range(const lanes<T>& v, const lanes<T>& gradient) {
  using Eigen::internal::pcmp_lt, Eigen::internal::pselect;
  const lanes<T> zero = all(T{0});
  return pselect(pcmp_lt(v, all(static_cast<T>(least_log_variance))), zero,
                 pselect(pcmp_lt(all(static_cast<T>(most_log_variance)), v), zero, gradient));
}

/// d/dv of exp(v / 2).
template <class T>
lanes<T> deviation_slope(const lanes<T>& v) {
  const auto half = all(T{0.5});
  return half * exponential<T>(half * clamped_log_variance<T>(v));
}

}  // namespace detail

template <class Scalar>
void cpu_exec<Scalar>::gaussian_sample(matrix z, vector kl, const_matrix moments, const_matrix noise,
                                       view<const key_interval, 1> ranges) {
  const index_t channels = z.cols();
  const auto one = detail::all(Scalar{1}), two = detail::all(Scalar{2}), half = detail::all(Scalar{0.5});
  const auto drawn = [&](auto mean, auto v, auto e) { return mean + two * detail::deviation_slope<Scalar>(v) * e; };
  const auto divergence = [&](auto mean, auto v) {
    const auto wide = detail::clamped_log_variance<Scalar>(v);
    return half * (mean * mean + detail::exponential<Scalar>(wide) - one - wide);
  };
  Scalar* of_row = team_.reserve<Scalar>(detail::scratch::values, z.rows());
  team_.run_pieces(z.rows(), 4 * channels, [&](index_t begin, index_t end) {
    for (index_t n = begin; n < end; ++n) {
      const Scalar *mean = moments.row(n), *log_variance = mean + channels;
      if (noise)
        detail::transform(channels, z.row(n), drawn, mean, log_variance, noise.row(n));
      else
        std::copy_n(mean, channels, z.row(n));
      of_row[n] = detail::sum<Scalar>(channels, divergence, mean, log_variance);
    }
  });
  for (index_t i = 0; i < ranges.size(); ++i) {
    const index_t first = ranges[i].begin;
    kl[i] = detail::sum<Scalar>(
        ranges[i].end - first, [](auto v) { return v; }, static_cast<const Scalar*>(of_row + first));
  }
}

template <class Scalar>
void cpu_exec<Scalar>::gaussian_sample_backward(sink dmoments, const_matrix dz, const_matrix moments,
                                                const_matrix noise, view<const key_interval, 1> ranges,
                                                const_vector weights) {
  const index_t rows = moments.rows(), channels = moments.cols() / 2;
  Scalar* of_row = team_.reserve<Scalar>(detail::scratch::values, rows);
  std::fill_n(of_row, rows, Scalar{0});
  for (index_t i = 0; weights && i < ranges.size(); ++i)
    std::fill(of_row + ranges[i].begin, of_row + ranges[i].end, weights[i]);
  const auto half = detail::all(Scalar{0.5}), one = detail::all(Scalar{1});
  team_.run_pieces(rows, 4 * channels, [&](index_t begin, index_t end) {
    for (index_t n = begin; n < end; ++n) {
      const Scalar *mean = moments.row(n), *log_variance = mean + channels;
      Scalar* to = dmoments.into.row(n);
      const auto weight = detail::all(of_row[n]);
      const auto to_mean = [&](auto m) { return weight * m; };
      const auto to_log_variance = [&](auto v) {
        const auto variance = detail::exponential<Scalar>(detail::clamped_log_variance<Scalar>(v));
        return detail::within_range<Scalar>(v, weight * half * (variance - one));
      };
      const auto through_sample = [](auto v, auto d, auto e) {
        return detail::within_range<Scalar>(v, d * e * detail::deviation_slope<Scalar>(v));
      };
      detail::emit(dmoments.add, channels, to, to_mean, mean);
      detail::emit(dmoments.add, channels, to + channels, to_log_variance, log_variance);
      if (!dz) continue;
      detail::emit(
          true, channels, to, [](auto d) { return d; }, dz.row(n));
      if (noise) detail::emit(true, channels, to + channels, through_sample, log_variance, dz.row(n), noise.row(n));
    }
  });
}

}  // namespace transfusion
