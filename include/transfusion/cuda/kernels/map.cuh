// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/cuda/context.cuh"
#include "transfusion/cuda/kernels/lanes.cuh"
#include "transfusion/cuda/launch.cuh"

// Kernels that give every element, or every element of every row, to a `Map`: a struct of addresses and numbers with
// `lanes`, the width of its packs, and `at<N>`, which works out N neighbouring elements. No result depends on the grid.
namespace transfusion::cuda {

inline constexpr int map_threads = 256;

/// Enough blocks to fill the device, and no more than there is work for.
inline unsigned blocks_for(const detail::cuda_context& c, index_t wanted) {
  return static_cast<unsigned>(std::min<index_t>(wanted, index_t{8} * c.multiprocessors));
}

template <int Lanes, class Map>
__global__ void __launch_bounds__(map_threads) map_kernel(index_t count, Map map) {
  const index_t stride = static_cast<index_t>(gridDim.x) * blockDim.x;
  const index_t thread = static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const index_t packs = count / Lanes;
  for (index_t p = thread; p < packs; p += stride) map.template at<Lanes>(p * Lanes);
#pragma unroll 1
  for (index_t i = packs * Lanes + thread; i < count; i += stride) map.template at<1>(i);
}

/// map.at<N>(i) for all i < count; in packs where `packed`, one by one otherwise.
template <class Map>
void map_all(detail::cuda_context& c, index_t count, bool packed, const Map& map) {
  constexpr int lanes = Map::lanes;
  const unsigned blocks = blocks_for(c, ceil_div(packed ? ceil_div(count, lanes) : count, map_threads));
  if (packed)
    launch(c, map_kernel<lanes, Map>, dim3(blocks), dim3(map_threads), 0, count, map);
  else
    launch(c, map_kernel<1, Map>, dim3(blocks), dim3(map_threads), 0, count, map);
}

template <int Lanes, class Map>
__global__ void __launch_bounds__(map_threads) map_rows_kernel(index_t rows, index_t cols, Map map) {
  const index_t stride = static_cast<index_t>(gridDim.x) * blockDim.y;
  for (index_t r = static_cast<index_t>(blockIdx.x) * blockDim.y + threadIdx.y; r < rows; r += stride)
    for (index_t at = static_cast<index_t>(threadIdx.x) * Lanes; at < cols;
         at += static_cast<index_t>(blockDim.x) * Lanes)
      map.template at<Lanes>(r, at);
}

/// map.at<Lanes>(row, col) for all rows and every Lanes-th col; Lanes divides cols.
template <int Lanes, class Map>
void map_rows_by(detail::cuda_context& c, index_t rows, index_t cols, const Map& map) {
  unsigned across = 1;
  while (across < map_threads && static_cast<index_t>(across) * Lanes < cols) across *= 2;
  const unsigned down = map_threads / across;
  const unsigned blocks = cols ? blocks_for(c, ceil_div(rows, down)) : 0;
  launch(c, map_rows_kernel<Lanes, Map>, dim3(blocks), dim3(across, down), 0, rows, cols, map);
}

/// The same in packs where `packed` and the rows are whole packs, one by one otherwise.
template <class Map>
void map_rows(detail::cuda_context& c, index_t rows, index_t cols, bool packed, const Map& map) {
  if (packed && cols % Map::lanes == 0)
    map_rows_by<Map::lanes>(c, rows, cols, map);
  else
    map_rows_by<1>(c, rows, cols, map);
}

}  // namespace transfusion::cuda
