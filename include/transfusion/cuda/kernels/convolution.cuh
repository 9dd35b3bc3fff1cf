// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/core/host_device.hpp"
#include "transfusion/cuda/kernels/map.cuh"

// A convolution as a product (Chellapilla et al. 2006): the rows under the taps of an output row, one beside the other.
namespace transfusion::cuda {

/// Bytes of gathered rows that one product reads: written and read again while they are in the second-level cache.
inline constexpr index_t gathered_bytes = index_t{32} << 20;
/// Rows of a chunk are a multiple of it: the height of a tile of a product.
inline constexpr index_t chunk_step = 128;

/// Rows that are gathered at once, from the shape alone: as even as whole steps allow.
constexpr index_t gathered_rows(index_t rows, index_t row_bytes, index_t most_bytes = gathered_bytes) {
  const index_t fit = most_bytes / std::max<index_t>(row_bytes, 1) / chunk_step * chunk_step;
  const index_t most = std::max(fit, chunk_step), chunks = std::max<index_t>(ceil_div(rows, most), 1);
  return ceil_div(ceil_div(rows, chunks), chunk_step) * chunk_step;
}

/// y[i] = x[taps[i]], zeros where there is no such row.
template <class T>
struct gather_taps_map {
  static constexpr int lanes = lanes_of<T>;
  T* y;
  const T* x;
  const token_t* taps;
  index_t cols;

  template <int N>
  __device__ void at(index_t i, index_t c) const {
    const index_t from = taps[i];
    pack<T, N> v = {};
    if (from >= 0) v = read_pack<N>(x + from * cols + c);
    *reinterpret_cast<pack<T, N>*>(y + i * cols + c) = v;
  }
};

/// Where row (tap, output) of the weights [taps * outputs, C] of the way back stands among the [outputs * taps] rows of
/// C weights of the way there.
TRANSFUSION_HD constexpr index_t weight_row(index_t row, index_t outputs, index_t taps) {
  return row % outputs * taps + row / outputs;
}

/// turned[k * O + o, c] = w[o, k * C + c].
template <class T>
struct turn_weights_map {
  static constexpr int lanes = lanes_of<T>;
  T* turned;
  const T* w;
  index_t outputs, taps, cols;

  template <int N>
  __device__ void at(index_t row, index_t c) const {
    copy_lanes<N>(turned + row * cols + c, w + weight_row(row, outputs, taps) * cols + c);
  }
};

}  // namespace transfusion::cuda
