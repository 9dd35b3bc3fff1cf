// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "transfusion/cuda/kernels/attention_forward.cuh"
#include "transfusion/cuda/launch.cuh"

namespace transfusion::cuda::forward {

/// Blocks that keep an H100 busy, two to each of its 132 multiprocessors. A constant, and not what the device at hand
/// has: the order of additions depends on the parts, and one build gives the same bits on every device.
inline constexpr index_t busy_blocks = 264;

/// Into how many parts the keys are cut where `blocks` blocks would leave most of the device idle: enough of them to
/// keep it busy, of four key tiles or more.
constexpr index_t key_parts(index_t blocks, index_t keys) {
  if (blocks <= 0 || blocks > busy_blocks / 4) return 1;
  const index_t most = 64, longest = ceil_div(keys, tile_keys) / 4;
  return std::max<index_t>(1, std::min({busy_blocks / blocks, longest, most}));
}

/// Bytes of scratch that the parts need, and where in it they lie.
inline std::size_t part_bytes(const operands& p, int width) {
  const index_t rows = p.parts * p.rows * p.heads;
  return static_cast<std::size_t>(rows * (width + 2)) * sizeof(float);
}
inline void place_parts(operands& p, int width, float* scratch) {
  const index_t rows = p.parts * p.rows * p.heads;
  p.part_o = scratch;
  p.part_top = p.part_o + rows * width;
  p.part_sum = p.part_top + rows;
}

/// Joins the parts of the keys in rising order: one warp a (row, head), lanes over channels.
template <int Width>
__global__ void __launch_bounds__(threads) combine_kernel(operands p) {
  const int warp = static_cast<int>(threadIdx.x) / warp_threads, lane = static_cast<int>(threadIdx.x) % warp_threads;
  const index_t rows = p.rows * p.heads, row = index_t{blockIdx.x} * warps + warp;
  if (row >= rows) return;
  float top = -INFINITY, sum = 0, o[Width / warp_threads] = {};
  for (int part = 0; part < p.parts; ++part) top = fmaxf(top, p.part_top[part * rows + row]);
  const float base = top == -INFINITY ? 0.f : top;
  for (int part = 0; part < p.parts; ++part) {
    const index_t at = part * rows + row;
    const float share = exp2_fast(p.part_top[at] - base);
    sum = fmaf(share, p.part_sum[at], sum);
#pragma unroll
    for (int i = 0; i < Width / warp_threads; ++i)
      o[i] = fmaf(share, p.part_o[at * Width + i * warp_threads + lane], o[i]);
  }
  const float inverse = sum == 0 ? 0.f : 1 / sum;
#pragma unroll
  for (int i = 0; i < Width / warp_threads; ++i) p.o[row * Width + i * warp_threads + lane] = bf16(o[i] * inverse);
  constexpr float ln2 = 0.693147180559945309f;
  if (p.lse != nullptr && lane == 0) p.lse[row] = sum == 0 ? -INFINITY : fmaf(top, ln2, logf(sum));
}

}  // namespace transfusion::cuda::forward
