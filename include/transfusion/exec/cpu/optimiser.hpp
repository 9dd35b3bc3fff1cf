// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/lanes.hpp"

namespace transfusion {

template <class Scalar>
void cpu_exec<Scalar>::sum_of_squares(vector out, const_vector x) {
  // Strips are added in Scalar, their sums in double.
  constexpr index_t piece = detail::cpu_team::piece_elements, strip = 1024;
  const index_t pieces = (x.size() + piece - 1) / piece;
  double* sums = team_.reserve<double>(detail::scratch::partial, pieces);
  team_.run(pieces, [&](index_t i, int) {
    sums[i] = 0;
    const index_t end = std::min(x.size(), (i + 1) * piece);
    for (index_t at = i * piece; at < end; at += strip)
      sums[i] += static_cast<double>(detail::sum<Scalar>(
          std::min(strip, end - at), [](auto v) { return v * v; }, x.data + at));
  });
  double total = 0;
  for (index_t i = 0; i < pieces; ++i) total += sums[i];
  out[0] = static_cast<Scalar>(total);
}

template <class Scalar>
void cpu_exec<Scalar>::adamw(vector w, vector m, vector v, vector ema, vector copy, const_vector g,
                             const_vector norm_squared, adamw_step s) {
  const double norm = std::sqrt(static_cast<double>(norm_squared[0]));
  const double clip = s.max_norm > 0 && norm > s.max_norm ? s.max_norm / norm : 1.0;
  // All that does not depend on the element is worked out in double and rounded once.
  const auto lanes_of = [](double value) { return detail::all(static_cast<Scalar>(value)); };
  const auto beta1 = lanes_of(s.beta1), fresh1 = lanes_of((1 - s.beta1) * clip);
  const auto beta2 = lanes_of(s.beta2), fresh2 = lanes_of((1 - s.beta2) * clip * clip);
  const auto keep = lanes_of(1 - s.rate * s.weight_decay), rate = lanes_of(s.rate / s.correction1);
  const auto root = lanes_of(1 / std::sqrt(s.correction2)), epsilon = lanes_of(s.epsilon);
  const auto decay = lanes_of(s.ema_decay), fresh = lanes_of(1 - s.ema_decay);
  const auto next_weight = [&](auto weight, auto mean, auto square) {
    return keep * weight - rate * mean / (Eigen::internal::psqrt(square) * root + epsilon);
  };
  constexpr index_t strip = 1024;  // what one loop leaves is still in the first cache for the next
  team_.run_pieces(w.size(), 4, [&](index_t begin, index_t end) {
    for (index_t at = begin; at < end; at += strip) {
      const index_t n = std::min(strip, end - at);
      const Scalar *gradient = g.data + at, *mean = m.data + at, *square = v.data + at, *weight = w.data + at;
      detail::transform(
          n, m.data + at, [&](auto a, auto b) { return beta1 * a + fresh1 * b; }, mean, gradient);
      detail::transform(
          n, v.data + at, [&](auto a, auto b) { return beta2 * a + fresh2 * b * b; }, square, gradient);
      detail::transform(n, w.data + at, next_weight, weight, mean, square);
      if (ema)
        detail::transform(
            n, ema.data + at, [&](auto a, auto b) { return decay * a + fresh * b; },
            static_cast<const Scalar*>(ema.data + at), weight);
      if (copy) std::copy_n(weight, n, copy.data + at);
    }
  });
}

}  // namespace transfusion
