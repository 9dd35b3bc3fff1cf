// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/gathered.hpp"
#include "transfusion/exec/cpu/linear.hpp"

namespace transfusion {

template <class Scalar>
void cpu_exec<Scalar>::convolution(matrix y, const_matrix x, const_matrix w, const_vector b,
                                   view<const token_t, 2> taps) {
  const index_t depth = w.cols();
  const detail::tiling tiles = detail::product_tiles(y.rows(), y.cols(), team_.threads());
  Scalar* packing = team_.reserve<Scalar>(detail::scratch::packing, team_.threads() * detail::packing_elements);
  team_.run(tiles.count(), [&](index_t i, int thread) {
    const auto t = tiles[i];
    for (index_t m = t.row; b && m < t.row_end; ++m) std::copy_n(b.data + t.col, t.cols(), y.row(m) + t.col);
    const detail::gathered<Scalar> neighbours{x, taps, t.row};
    const detail::factor<Scalar> weights{w.row(t.col), depth, true};
    detail::packed_product(t.rows(), t.cols(), depth, neighbours, weights, static_cast<bool>(b), y.row(t.row) + t.col,
                           y.cols(), packing + thread * detail::packing_elements);
  });
}

template <class Scalar>
void cpu_exec<Scalar>::convolution_backward(sink dx, matrix dw, vector db, const_matrix dy, const_matrix x,
                                            const_matrix w, view<const token_t, 2> taps,
                                            view<const token_t, 2> reverse) {
  const index_t outputs = dy.cols(), depth = w.cols(), channels = x.cols();
  const detail::tiling weight_tiles = detail::product_tiles(dw ? outputs : 0, depth, team_.threads());
  const detail::tiling input_tiles = detail::product_tiles(dx ? x.rows() : 0, channels, team_.threads());
  const auto weight_gradient = [&](detail::tiling::tile t, Scalar* mine) {
    const detail::factor<Scalar> outer{dy.data + t.row, outputs, true};
    const detail::gathered<Scalar> neighbours{x, taps, 0, t.col};
    detail::packed_product(t.rows(), t.cols(), dy.rows(), outer, neighbours, true, dw.row(t.row) + t.col, depth, mine);
  };
  const auto input_gradient = [&](detail::tiling::tile t, Scalar* mine) {
    const detail::gathered<Scalar> users{dy, reverse, t.row};
    const detail::tap_major<Scalar> weights{w, channels, 0, t.col};
    detail::packed_product(t.rows(), t.cols(), reverse.cols() * outputs, users, weights, dx.add,
                           dx.into.row(t.row) + t.col, channels, mine);
  };
  detail::product_gradients(team_, weight_tiles, input_tiles, db, dy, weight_gradient, input_gradient);
}

}  // namespace transfusion
