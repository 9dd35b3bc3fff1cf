// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "transfusion/core/types.hpp"
#include "transfusion/cuda/device.cuh"

namespace transfusion::cuda {

/// y[n] = table[ids[n]], or zeros. Block n: row n; rows are `pieces` pieces wide.
template <class Piece>
__global__ void embedding_kernel(Piece* y, const Piece* table, const token_t* ids, index_t pieces) {
  const index_t n = blockIdx.x, id = ids[n];
  for (index_t i = threadIdx.x; i < pieces; i += blockDim.x) {
    Piece piece = {};
    if (id >= 0) piece = table[id * pieces + i];
    y[n * pieces + i] = piece;
  }
}

/// keys[n] = ids[n], or `none` where there is none, so that those are sorted to the end; places[n] = n.
template <class Key>
__global__ void embedding_keys_kernel(Key* keys, Key* places, const token_t* ids, index_t rows, Key none) {
  const index_t n = index_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (n >= rows) return;
  keys[n] = ids[n] < 0 ? none : static_cast<Key>(ids[n]);
  places[n] = static_cast<Key>(n);
}

/// dtable[keys[i]] += dy[places[j]] for all j of the run of equal keys that begins at i, in rising j. Block (i, column
/// block); blocks whose i begins no run have nothing to do.
template <class T, class Key>
__global__ void embedding_backward_kernel(float* dtable, const T* dy, const Key* keys, const Key* places, index_t rows,
                                          index_t width, Key none) {
  const index_t i = blockIdx.x, d = index_t{blockIdx.y} * blockDim.x + threadIdx.x;
  const Key key = keys[i];
  if (key == none || (i > 0 && keys[i - 1] == key) || d >= width) return;
  float sum = 0;
  index_t j = i;
  for (; j + 4 <= rows && keys[j + 3] == key; j += 4) {  // four loads under way at once, added in order
    float four[4];
    for (int u = 0; u < 4; ++u) four[u] = static_cast<float>(dy[places[j + u] * width + d]);
    for (int u = 0; u < 4; ++u) sum += four[u];
  }
  for (; j < rows && keys[j] == key; ++j) sum += static_cast<float>(dy[places[j] * width + d]);
  dtable[key * width + d] += sum;
}

}  // namespace transfusion::cuda
