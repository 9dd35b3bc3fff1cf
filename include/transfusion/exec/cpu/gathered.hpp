// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/core/view.hpp"
#include "transfusion/exec/cpu/product.hpp"

// Factors of a packed_product that a table of neighbours describes. They are put together while they are packed, block
// by block, and never lie in memory as a whole. A BLAS cannot do that, so these products are always our own.
namespace transfusion::detail {

/// The matrix [M, K*C] whose element (m, k*C + c) is x(taps(m, k), c), 0 where the tap is negative. x: [N, C]; taps:
/// [M, K].
template <class Scalar>
struct gathered {
  view<const Scalar, 2> x;
  view<const token_t, 2> taps;
  index_t row = 0, col = 0;
  static constexpr bool transposed = false;

  gathered from(index_t r, index_t c) const { return {x, taps, row + r, col + c}; }

  /// to[i] = element (r, i) for i < count, from tap `first` and its channel `channel` on.
  void copy_row(index_t r, index_t first, index_t channel, index_t count, Scalar* to) const {
    const token_t* tap = taps.row(row + r) + first;
    while (count > 0) {
      const index_t some = std::min(count, x.cols() - channel);
      if (*tap < 0)
        std::fill_n(to, some, Scalar{0});
      else
        std::copy_n(x.row(*tap) + channel, some, to);
      channel = 0;
      count -= some;
      to += some;
      ++tap;
    }
  }
};

/// As for a plain factor.
template <class Scalar>
void pack_groups(index_t depth, index_t rows, const gathered<Scalar>& a, Scalar* to) {
  const index_t tap = a.col / a.x.cols(), channel = a.col % a.x.cols();
  for (index_t r = 0; r < rows; ++r) a.copy_row(r, tap, channel, depth, to + r * depth);
}

/// As for a plain factor.
template <class Scalar>
void pack_panels(index_t depth, index_t cols, const gathered<Scalar>& b, Scalar* to) {
  constexpr index_t across = tile_lanes<Scalar> * lane_count<Scalar>;
  for (index_t j = 0; j < cols; j += across) {
    const index_t some = std::min(across, cols - j), stride = padded<Scalar>(some);
    const index_t tap = (b.col + j) / b.x.cols(), channel = (b.col + j) % b.x.cols();
    for (index_t k = 0; k < depth; ++k, to += stride) {
      b.copy_row(k, tap, channel, some, to);
      std::fill(to + some, to + stride, Scalar{0});
    }
  }
}

/// The weights w [O, K*C] as the matrix [K*O, C]: element (k*O + o, c) is w(o, k*C + c).
template <class Scalar>
struct tap_major {
  view<const Scalar, 2> w;
  index_t channels;  ///< C
  index_t row = 0, col = 0;

  tap_major from(index_t r, index_t c) const { return {w, channels, row + r, col + c}; }
};

/// As for a plain factor.
template <class Scalar>
void pack_panels(index_t depth, index_t cols, const tap_major<Scalar>& b, Scalar* to) {
  constexpr index_t across = tile_lanes<Scalar> * lane_count<Scalar>;
  for (index_t j = 0; j < cols; j += across) {
    const index_t some = std::min(across, cols - j), stride = padded<Scalar>(some);
    index_t tap = b.row / b.w.rows(), output = b.row % b.w.rows();
    for (index_t k = 0; k < depth; ++k, to += stride) {
      std::copy_n(b.w.row(output) + tap * b.channels + b.col + j, some, to);
      std::fill(to + some, to + stride, Scalar{0});
      if (++output == b.w.rows()) {
        output = 0;
        ++tap;
      }
    }
  }
}

}  // namespace transfusion::detail
