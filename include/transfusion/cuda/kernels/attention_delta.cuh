// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cmath>

#include "transfusion/core/interval.hpp"
#include "transfusion/core/view.hpp"
#include "transfusion/cuda/device.cuh"
#include "transfusion/cuda/tiles.cuh"

// What every kernel of attention backward starts from: the operands, the statistics of each query row, and which keys
// the rows of a query tile see.
namespace transfusion::cuda::backward {

/// The operands of one call and what is known of each query row. N is padded with rows that see nothing.
template <class T>
struct operands {
  gradient_sink<T> dq, dk, dv;
  view<const T, 2> d_o, o, q, k, v;
  view<const float, 2> lse;
  key_intervals keys;
  int heads = 0, group = 0, head_width = 0;  ///< `group` query heads share a key head
  float scale = 0;
  view<float, 2> lse2{};   ///< [H, padded N]: lse in powers of 2; infinity, so that P is 0, where a row sees nothing
  view<float, 2> delta{};  ///< [H, padded N]
  row_group* groups = nullptr;  ///< of each query tile

  TRANSFUSION_HD constexpr row_keys keys_of(index_t row) const {
    if (row >= keys.rows()) return row_keys::none();
    return row_keys::of(keys.row(row), static_cast<int>(keys.cols()), k.rows());
  }
};

/// Writes lse2 and delta[h, n] = sum_c dO o: one warp a (row, head).
template <class T, int Pack>
__global__ __launch_bounds__(256) void delta_kernel(operands<T> x) {
  const index_t item = (static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x) / warp_threads;
  const index_t row = item / x.heads, head = item % x.heads, first = head * x.head_width;
  const int lane = static_cast<int>(threadIdx.x) % warp_threads;
  if (row >= x.lse2.cols()) return;
  const bool exists = row < x.lse.rows();
  float sum = 0;
  for (int c = Pack * lane; exists && c < x.head_width; c += Pack * warp_threads) {
    const auto a = *reinterpret_cast<const pack<T, Pack>*>(x.d_o.row(row) + first + c);
    const auto b = *reinterpret_cast<const pack<T, Pack>*>(x.o.row(row) + first + c);
    for (int i = 0; i < Pack; ++i) sum = fmaf(float(a.v[i]), float(b.v[i]), sum);
  }
  sum = warp_sum(sum);
  if (lane != 0) return;
  const float log2_e = 1.4426950408889634f, lse = exists ? x.lse(row, head) : -INFINITY;
  x.lse2(head, row) = lse == -INFINITY ? INFINITY : lse * log2_e;
  x.delta(head, row) = sum;
}

/// What the rows [first, first + count) see, those of them that there are, in every lane; all 32 lanes call.
template <class T>
__device__ __forceinline__ row_group group_of_rows(const operands<T>& x, index_t first, int count) {
  row_group group = row_group::of_nobody();
  for (int r = static_cast<int>(threadIdx.x) % warp_threads; r < count && first + r < x.keys.rows(); r += warp_threads)
    group.add(x.keys_of(first + r));
  for (int step = warp_threads / 2; step > 0; step /= 2) {
    row_group other;
    for (int i = 0; i < 2; ++i)
      other.bounds[i] = {__shfl_xor_sync(full_warp, group.bounds[i].any_begin, step),
                         __shfl_xor_sync(full_warp, group.bounds[i].any_end, step),
                         __shfl_xor_sync(full_warp, group.bounds[i].all_begin, step),
                         __shfl_xor_sync(full_warp, group.bounds[i].all_end, step)};
    group.join(other);
  }
  return group;
}

/// Writes what each tile of `TileRows` query rows sees: one warp a tile.
template <class T, int TileRows>
__global__ __launch_bounds__(256) void query_groups_kernel(operands<T> x, int tiles) {
  const int tile = static_cast<int>((blockIdx.x * blockDim.x + threadIdx.x) / warp_threads);
  if (tile >= tiles) return;
  const row_group group = group_of_rows(x, static_cast<index_t>(tile) * TileRows, TileRows);
  if (threadIdx.x % warp_threads == 0) x.groups[tile] = group;
}

}  // namespace transfusion::cuda::backward
