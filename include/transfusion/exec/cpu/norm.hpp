// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/arrays.hpp"

namespace transfusion {
namespace detail {

/// One row of RMSNorm; returns 1/rms.
template <class Scalar>
Scalar normalise(Scalar* y, const Scalar* x, const Scalar* w, index_t width, double epsilon) {
  const auto in = array(x, width);
  const Scalar mean = in.square().sum() / static_cast<Scalar>(width);
  const Scalar inverse = 1 / std::sqrt(mean + static_cast<Scalar>(epsilon));
  array(y, width) = in * inverse * array(w, width);
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
      detail::row(sum, n) = detail::row(a, n) + detail::row(b, n);
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
    auto share = detail::array(shares + (dw ? i * width : 0), dw ? width : 0);
    if (dw) share.setZero();
    for (index_t n = i * piece; n < std::min(x.rows(), (i + 1) * piece); ++n) {
      const Scalar r = inverse_rms[n];
      const auto in = detail::row(x, n), out = detail::row(dy, n);
      if (dw) share += out * in * r;
      if (!dx) continue;
      const auto scaled = out * detail::array(w.data, width);
      const Scalar pull = r * r * r * (scaled * in).sum() / static_cast<Scalar>(width);
      detail::put(dx.into.row(n), width, dx.add, scaled * r - in * pull);
    }
  });
  for (index_t i = 0; dw && i < pieces; ++i) detail::array(dw.data, width) += detail::array(shares + i * width, width);
}

}  // namespace transfusion
