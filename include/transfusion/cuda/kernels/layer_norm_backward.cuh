// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/cuda/kernels/norm_backward.cuh"

// With x' = (x - mean) r, r = 1/deviation and g = dy w: dx = r (g - mean(g) - x' mean(g x')), dw = the sum over rows of
// dy x', db that of dy; both are added up over fixed chunks of rows and then, chunk after chunk, in fixed order.
namespace transfusion::cuda {

template <class T>
struct layer_norm_backward_operands {
  T* dx;                           ///< [rows, width], or null
  index_t add;                     ///< whether to add to dx
  float *partial_dw, *partial_db;  ///< [chunks, width], or null
  const T *dy, *x;
  const float* w;              ///< [width], or null
  const float* stats;          ///< [rows, 2]
  index_t rows, width, chunk;  ///< chunk: rows of one partial sum

  __device__ index_t end() const {
    const index_t last = (blockIdx.x + index_t{1}) * chunk;
    return last < rows ? last : rows;
  }
};

/// Block b: the rows of chunk b, `Rows` at a time, their packs in registers: all gradients in one pass.
template <class T, int Lanes, int Packs, int Threads, int Rows>
__global__ void __launch_bounds__(Threads* Rows) layer_norm_backward_kernel(layer_norm_backward_operands<T> o) {
  const index_t end = o.end();
  const int first = static_cast<int>(threadIdx.x) * Lanes;
  float dw[Packs][Lanes] = {}, db[Packs][Lanes] = {};
  for (index_t row = blockIdx.x * o.chunk + threadIdx.y; row < end; row += Rows) {
    pack<T, Lanes> own[Packs] = {}, gradient[Packs] = {};
#pragma unroll
    for (int j = 0; j < Packs; ++j) {  // all loads under way before the first is used
      const index_t at = first + j * Threads * Lanes;
      if (at < o.width) own[j] = read_pack<Lanes>(o.x + row * o.width + at);
      if (at < o.width) gradient[j] = read_pack<Lanes>(o.dy + row * o.width + at);
    }
    const float mean = o.stats[2 * row], r = o.stats[2 * row + 1];
    float x[Packs][Lanes], g[Packs][Lanes], sum = 0, dot = 0;
#pragma unroll
    for (int j = 0; j < Packs; ++j) {
      const index_t at = first + j * Threads * Lanes;
      widen_lanes(x[j], own[j]);
      widen_lanes(g[j], gradient[j]);
      if (at >= o.width) continue;
      float w[Lanes];
      if (o.w) read_lanes(w, o.w + at);
#pragma unroll
      for (int k = 0; k < Lanes; ++k) {
        x[j][k] = (x[j][k] - mean) * r;
        dw[j][k] += g[j][k] * x[j][k];
        db[j][k] += g[j][k];
        if (o.w) g[j][k] *= w[k];
        sum += g[j][k];
        dot += g[j][k] * x[j][k];
      }
    }
    if (!o.dx) continue;
    const float shift = row_sum<Threads>(sum) / static_cast<float>(o.width);
    const float pull = row_sum<Threads>(dot) / static_cast<float>(o.width);
#pragma unroll
    for (int j = 0; j < Packs; ++j) {
      const index_t at = first + j * Threads * Lanes;
      if (at >= o.width) continue;
#pragma unroll
      for (int k = 0; k < Lanes; ++k) g[j][k] = r * (g[j][k] - shift - pull * x[j][k]);
      put_lanes(o.dx + row * o.width + at, o.add, g[j]);
    }
  }
  if (o.partial_dw) write_partial<Lanes, Packs, Threads, Rows>(o.partial_dw, o.width, dw);
  if constexpr (Rows > 1) __syncthreads();  // the second sums lie where the first ones are read
  if (o.partial_db) write_partial<Lanes, Packs, Threads, Rows>(o.partial_db, o.width, db);
}

/// dx for rows of any width at any address, read twice.
template <class T, int Threads>
__global__ void __launch_bounds__(norm_block) layer_norm_dx_any_kernel(layer_norm_backward_operands<T> o) {
  const index_t row = static_cast<index_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= o.rows) return;  // a whole warp; never where a row is a block
  const float mean = o.stats[2 * row], r = o.stats[2 * row + 1];
  const auto normal = [&](index_t d) { return (static_cast<float>(o.x[row * o.width + d]) - mean) * r; };
  const auto gradient = [&](index_t d) { return static_cast<float>(o.dy[row * o.width + d]) * (o.w ? o.w[d] : 1.f); };
  float sum = 0, dot = 0;
  for (index_t d = threadIdx.x; d < o.width; d += Threads) {
    sum += gradient(d);
    dot += gradient(d) * normal(d);
  }
  const float shift = row_sum<Threads>(sum) / static_cast<float>(o.width);
  const float pull = row_sum<Threads>(dot) / static_cast<float>(o.width);
  for (index_t d = threadIdx.x; d < o.width; d += Threads) {
    const float v[1] = {r * (gradient(d) - shift - pull * normal(d))};
    put_lanes(o.dx + row * o.width + d, o.add, v);
  }
}

/// The partial sums of dw and db for any width at any address: block (chunk, columns), a column a thread.
template <class T>
__global__ void __launch_bounds__(norm_block) layer_norm_sums_any_kernel(layer_norm_backward_operands<T> o) {
  const index_t d = static_cast<index_t>(blockIdx.y) * blockDim.x + threadIdx.x, end = o.end();
  if (d >= o.width) return;
  float dw = 0, db = 0;
  for (index_t row = blockIdx.x * o.chunk; row < end; ++row) {
    const float g = static_cast<float>(o.dy[row * o.width + d]);
    dw += g * ((static_cast<float>(o.x[row * o.width + d]) - o.stats[2 * row]) * o.stats[2 * row + 1]);
    db += g;
  }
  if (o.partial_dw) o.partial_dw[blockIdx.x * o.width + d] = dw;
  if (o.partial_db) o.partial_db[blockIdx.x * o.width + d] = db;
}

}  // namespace transfusion::cuda
