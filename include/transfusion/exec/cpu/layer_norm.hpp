// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/lanes.hpp"

namespace transfusion {

template <class Scalar>
void cpu_exec<Scalar>::layer_norm(matrix y, matrix stats, const_matrix x, const_vector w, const_vector b,
                                  double epsilon) {
  const index_t width = x.cols();
  const auto itself = [](auto v) { return v; };
  // Without a gain or an offset: ones, zeros.
  Scalar* plain = team_.reserve<Scalar>(detail::scratch::table, 2 * width);
  std::fill_n(plain, width, Scalar{1});
  std::fill_n(plain + width, width, Scalar{0});
  const Scalar *gains = w ? w.data : plain, *offsets = b ? b.data : plain + width;
  team_.run_pieces(x.rows(), width, [&](index_t begin, index_t end) {
    for (index_t n = begin; n < end; ++n) {
      Scalar* row = y.row(n);
      const Scalar mean = detail::sum<Scalar>(width, itself, x.row(n)) / static_cast<Scalar>(width);
      const auto centre = detail::all(mean);
      detail::transform(
          width, row, [&](auto v) { return v - centre; }, x.row(n));
      const Scalar squares = detail::sum<Scalar>(
          width, [](auto v) { return v * v; }, row);
      stats(n, 0) = mean;
      stats(n, 1) = 1 / std::sqrt(squares / static_cast<Scalar>(width) + static_cast<Scalar>(epsilon));
      const auto by = detail::all(stats(n, 1));
      detail::transform(
          width, row, [&](auto v, auto gain, auto offset) { return v * by * gain + offset; },
          static_cast<const Scalar*>(row), gains, offsets);
    }
  });
}

template <class Scalar>
void cpu_exec<Scalar>::layer_norm_backward(sink dx, vector dw, vector db, const_matrix dy, const_matrix x,
                                           const_vector w, const_matrix stats) {
  const index_t width = x.cols();
  Scalar* ones = team_.reserve<Scalar>(detail::scratch::table, width);
  std::fill_n(ones, width, Scalar{1});
  const Scalar* gains = w ? w.data : ones;
  const index_t piece = std::max<index_t>(1, detail::cpu_team::piece_elements / std::max<index_t>(1, width));
  const index_t pieces = (x.rows() + piece - 1) / piece;
  // Each piece of rows adds up its own share of dw and db; the shares are then added in order.
  Scalar* shares = team_.reserve<Scalar>(detail::scratch::partial, dw || db ? 2 * pieces * width : 0);
  team_.run(pieces, [&](index_t i, int) {
    Scalar *gain_share = shares + 2 * i * width, *offset_share = gain_share + width;
    if (dw) std::fill_n(gain_share, width, Scalar{0});
    if (db) std::fill_n(offset_share, width, Scalar{0});
    for (index_t n = i * piece; n < std::min(x.rows(), (i + 1) * piece); ++n) {
      const Scalar *d = dy.row(n), *in = x.row(n);
      const auto centre = detail::all(stats(n, 0)), inverse = detail::all(stats(n, 1));
      if (dw)
        detail::emit(
            true, width, gain_share, [&](auto v, auto u) { return v * (u - centre) * inverse; }, d, in);
      if (db)
        detail::emit(
            true, width, offset_share, [](auto v) { return v; }, d);
      if (!dx) continue;
      const Scalar total = detail::sum<Scalar>(
          width, [](auto v, auto gain) { return v * gain; }, d, gains);
      const Scalar along = detail::sum<Scalar>(
          width, [&](auto v, auto gain, auto u) { return v * gain * (u - centre) * inverse; }, d, gains, in);
      const auto mean_pull = detail::all(total / static_cast<Scalar>(width)),
                 mean_along = detail::all(along / static_cast<Scalar>(width));
      detail::emit(
          dx.add, width, dx.into.row(n),
          [&](auto v, auto gain, auto u) {
            return inverse * (v * gain - mean_pull - (u - centre) * inverse * mean_along);
          },
          d, gains, in);
    }
  });
  const auto gather = [&](vector to, const Scalar* share) {
    for (index_t i = 0; to && i < pieces; ++i)
      detail::emit(
          true, width, to.data, [](auto v) { return v; }, share + 2 * i * width);
  };
  gather(dw, shares);
  gather(db, shares + width);
}

}  // namespace transfusion
