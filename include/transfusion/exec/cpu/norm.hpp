// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/lanes.hpp"

namespace transfusion {
namespace detail {

/// One row of RMSNorm; returns 1/rms.
template <class Scalar>
Scalar normalise(Scalar* y, const Scalar* x, const Scalar* w, index_t width, double epsilon) {
  const Scalar squares = sum<Scalar>(
      width, [](auto v) { return v * v; }, x);
  const Scalar inverse = 1 / std::sqrt(squares / static_cast<Scalar>(width) + static_cast<Scalar>(epsilon));
  const auto by = all(inverse);
  transform(
      width, y, [&](auto v, auto gain) { return v * by * gain; }, x, w);
  return inverse;
}

}  // namespace detail

template <class Scalar>
void cpu_exec<Scalar>::rms_norm(matrix y, vector inverse_rms, const_matrix x, const_vector w, double epsilon) {
  team_.run_pieces(x.rows(), x.cols(), [&](index_t begin, index_t end) {
    for (index_t n = begin; n < end; ++n)
      inverse_rms[n] = detail::normalise(y.row(n), x.row(n), w.data, x.cols(), epsilon);
  });
}

template <class Scalar>
void cpu_exec<Scalar>::add_rms_norm(matrix sum, matrix y, vector inverse_rms, const_matrix a, const_matrix b,
                                    const_vector w, double epsilon) {
  team_.run_pieces(a.rows(), a.cols(), [&](index_t begin, index_t end) {
    for (index_t n = begin; n < end; ++n) {
      detail::transform(
          a.cols(), sum.row(n), [](auto u, auto v) { return u + v; }, a.row(n), b.row(n));
      inverse_rms[n] = detail::normalise<Scalar>(y.row(n), sum.row(n), w.data, a.cols(), epsilon);
    }
  });
}

template <class Scalar>
void cpu_exec<Scalar>::rms_norm_backward(sink dx, vector dw, const_matrix dy, const_matrix x, const_vector w,
                                         const_vector inverse_rms) {
  const index_t width = x.cols();
  const index_t piece = std::max<index_t>(1, detail::cpu_team::piece_elements / std::max<index_t>(1, width));
  const index_t pieces = (x.rows() + piece - 1) / piece;
  // Each piece of rows adds up its own share of dw; the shares are then added in order.
  Scalar* shares = team_.reserve<Scalar>(detail::scratch::partial, dw ? pieces * width : 0);
  team_.run(pieces, [&](index_t i, int) {
    if (dw) std::fill_n(shares + i * width, width, Scalar{0});
    for (index_t n = i * piece; n < std::min(x.rows(), (i + 1) * piece); ++n) {
      const Scalar r = inverse_rms[n];
      const auto inverse = detail::all(r);
      if (dw)
        detail::emit(
            true, width, shares + i * width, [&](auto d, auto v) { return d * v * inverse; }, dy.row(n), x.row(n));
      if (!dx) continue;
      const Scalar dot = detail::sum<Scalar>(
          width, [](auto d, auto v, auto gain) { return d * v * gain; }, dy.row(n), x.row(n), w.data);
      const auto pull = detail::all(r * r * r * dot / static_cast<Scalar>(width));
      detail::emit(
          dx.add, width, dx.into.row(n), [&](auto d, auto v, auto gain) { return d * gain * inverse - v * pull; },
          dy.row(n), x.row(n), w.data);
    }
  });
  for (index_t i = 0; dw && i < pieces; ++i)
    detail::emit(
        true, width, dw.data, [](auto v) { return v; }, shares + i * width);
}

}  // namespace transfusion
