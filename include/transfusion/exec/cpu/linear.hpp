// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/lanes.hpp"
#include "transfusion/exec/cpu/product.hpp"

namespace transfusion {
namespace detail {

/// The tiles of a product's result: 256 rows by 512 columns, or thin columns when there are too few rows to share out.
/// Where there are tiles enough for all threads they are higher, so that the right factor is packed less often, and of
/// one height; the bits of our own product do not depend on its tiles, a BLAS makes no such promise.
inline tiling product_tiles(index_t rows, index_t cols, int threads) {
  constexpr index_t least = 256;
  const tiling tiles{rows, cols, least, rows <= least ? 128 : 512};
  if (rows <= least || TRANSFUSION_USE_BLAS) return tiles;
  for (index_t height : {4 * least, 2 * least}) {
    const index_t down = (rows + height - 1) / height, level = (rows + down - 1) / down;
    const tiling higher{rows, cols, (level + tile_rows - 1) / tile_rows * tile_rows, tiles.tile_cols};
    if (higher.count() >= 2 * threads) return higher;
  }
  return tiles;
}

/// db[o] += sum over n of dy[n, o] for columns [begin, end), in rising n.
template <class Scalar>
void add_column_sums(view<Scalar, 1> db, view<const Scalar, 2> dy, index_t begin, index_t end) {
  for (index_t n = 0; n < dy.rows(); ++n)
    emit(
        true, end - begin, db.data + begin, [](auto v) { return v; }, dy.row(n) + begin);
}

/// The gradients of a product with weights [O, I] and a bias, in one region for all, as the tiles of both products are
/// independent: weight_gradient(tile, packing) for the tiles of dw, input_gradient(tile, packing) for those of dx.
template <class Scalar, class WeightTile, class InputTile>
void product_gradients(cpu_team& team, const tiling& weight_tiles, const tiling& input_tiles, view<Scalar, 1> db,
                       view<const Scalar, 2> dy, WeightTile weight_gradient, InputTile input_gradient) {
  const tiling bias_tiles{1, db ? dy.cols() : 0, 1, 256};
  Scalar* packing = team.reserve<Scalar>(scratch::packing, team.threads() * packing_elements);
  team.run(weight_tiles.count() + input_tiles.count() + bias_tiles.count(), [&](index_t i, int thread) {
    Scalar* mine = packing + thread * packing_elements;
    if (i < weight_tiles.count()) return weight_gradient(weight_tiles[i], mine);
    i -= weight_tiles.count();
    if (i < input_tiles.count()) return input_gradient(input_tiles[i], mine);
    const auto t = bias_tiles[i - input_tiles.count()];
    add_column_sums(db, dy, t.col, t.col_end);
  });
}

}  // namespace detail

template <class Scalar>
void cpu_exec<Scalar>::linear(matrix y, const_matrix x, const_matrix w, const_vector b) {
  const index_t depth = x.cols();
  const detail::tiling tiles = detail::product_tiles(y.rows(), y.cols(), team_.threads());
  Scalar* packing = team_.reserve<Scalar>(detail::scratch::packing, team_.threads() * detail::packing_elements);
  team_.run(tiles.count(), [&](index_t i, int thread) {
    const auto t = tiles[i];
    for (index_t n = t.row; b && n < t.row_end; ++n) std::copy_n(b.data + t.col, t.cols(), y.row(n) + t.col);
    detail::product<Scalar>(t.rows(), t.cols(), depth, {x.row(t.row), depth}, {w.row(t.col), depth, true},
                            static_cast<bool>(b), y.row(t.row) + t.col, y.cols(),
                            packing + thread * detail::packing_elements);
  });
}

template <class Scalar>
void cpu_exec<Scalar>::linear_backward(sink dx, matrix dw, vector db, const_matrix dy, const_matrix x, const_matrix w) {
  const index_t rows = dy.rows(), inputs = w.cols(), outputs = dy.cols();
  const detail::tiling weight_tiles = detail::product_tiles(dw ? outputs : 0, inputs, team_.threads());
  const detail::tiling input_tiles = detail::product_tiles(dx ? rows : 0, inputs, team_.threads());
  const auto weight_gradient = [&](detail::tiling::tile t, Scalar* mine) {
    detail::product<Scalar>(t.rows(), t.cols(), rows, {dy.data + t.row, outputs, true}, {x.data + t.col, inputs}, true,
                            dw.row(t.row) + t.col, inputs, mine);
  };
  const auto input_gradient = [&](detail::tiling::tile t, Scalar* mine) {
    detail::product<Scalar>(t.rows(), t.cols(), outputs, {dy.row(t.row), outputs}, {w.data + t.col, inputs}, dx.add,
                            dx.into.row(t.row) + t.col, inputs, mine);
  };
  detail::product_gradients(team_, weight_tiles, input_tiles, db, dy, weight_gradient, input_gradient);
}

}  // namespace transfusion
