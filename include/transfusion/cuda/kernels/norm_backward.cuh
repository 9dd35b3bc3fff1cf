// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/cuda/kernels/norm.cuh"

// With r = 1/rms and D the width: dx = r dy w - r^3 x (dy w . x) / D, and dw = the sum over rows of dy x r, which is
// added up over fixed chunks of rows and then, chunk after chunk, in fixed order.
namespace transfusion::cuda {

template <class T>
struct norm_backward_operands {
  T* dx;  ///< [rows, width], or null
  bool add;
  float* partial;  ///< [chunks, width], or null
  const T *dy, *x;
  const float *w, *inverse_rms;
  index_t rows, width, chunk;  ///< chunk: rows of one partial sum

  __device__ index_t end() const {
    const index_t last = (blockIdx.x + index_t{1}) * chunk;
    return last < rows ? last : rows;
  }
};

/// The sums of a block's `Rows` rows at a time become one: partial[block] = their sum in rising order.
template <int Lanes, int Packs, int Threads, int Rows>
__device__ void write_partial(float* partial, index_t width, const float (&dw)[Packs][Lanes]) {
  constexpr int span = Packs * Threads * Lanes;
  float* to = partial + blockIdx.x * width;
  const int first = static_cast<int>(threadIdx.x) * Lanes;
  if constexpr (Rows == 1) {
#pragma unroll
    for (int j = 0; j < Packs; ++j)
      if (first + j * Threads * Lanes < width) write_lanes(to + first + j * Threads * Lanes, dw[j]);
  } else {
    __shared__ __align__(16) float sums[Rows][span];
#pragma unroll
    for (int j = 0; j < Packs; ++j) write_lanes(&sums[threadIdx.y][first + j * Threads * Lanes], dw[j]);
    __syncthreads();
    for (int d = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x); d < width; d += Threads * Rows) {
      float sum = 0;
#pragma unroll
      for (int r = 0; r < Rows; ++r) sum += sums[r][d];
      to[d] = sum;
    }
  }
}

/// Block b: the rows of chunk b, `Rows` at a time, their packs in registers. dx and the partial sums of dw in one pass.
template <class T, int Lanes, int Packs, int Threads, int Rows>
__global__ void __launch_bounds__(Threads* Rows) rms_norm_backward_kernel(norm_backward_operands<T> o) {
  const index_t first = static_cast<index_t>(threadIdx.x) * Lanes, end = o.end();
  float dw[Packs][Lanes] = {};
  for (index_t row = blockIdx.x * o.chunk + threadIdx.y; row < end; row += Rows) {
    pack<T, Lanes> own[Packs] = {}, gradient[Packs] = {};
#pragma unroll
    for (int j = 0; j < Packs; ++j) {  // all loads under way before the first is used
      const index_t at = first + j * Threads * Lanes;
      if (at < o.width) own[j] = read_pack<Lanes>(o.x + row * o.width + at);
      if (at < o.width) gradient[j] = read_pack<Lanes>(o.dy + row * o.width + at);
    }
    const float r = o.inverse_rms[row];
    float x[Packs][Lanes], g[Packs][Lanes], dot = 0;
#pragma unroll
    for (int j = 0; j < Packs; ++j) {
      const index_t at = first + j * Threads * Lanes;
      widen_lanes(x[j], own[j]);
      widen_lanes(g[j], gradient[j]);
      if (at >= o.width) continue;
      float w[Lanes];
      read_lanes(w, o.w + at);
#pragma unroll
      for (int k = 0; k < Lanes; ++k) {
        dw[j][k] += g[j][k] * x[j][k] * r;
        g[j][k] *= w[k];
        dot += g[j][k] * x[j][k];
      }
    }
    if (!o.dx) continue;
    const float pull = r * r * r * row_sum<Threads>(dot) / static_cast<float>(o.width);
#pragma unroll
    for (int j = 0; j < Packs; ++j) {
      const index_t at = first + j * Threads * Lanes;
      if (at >= o.width) continue;
#pragma unroll
      for (int k = 0; k < Lanes; ++k) g[j][k] = r * g[j][k] - pull * x[j][k];
      put_lanes(o.dx + row * o.width + at, o.add, g[j]);
    }
  }
  if (o.partial) write_partial<Lanes, Packs, Threads, Rows>(o.partial, o.width, dw);
}

/// dx for rows of any width at any address, read twice.
template <class T, int Threads>
__global__ void __launch_bounds__(norm_block) rms_norm_dx_any_kernel(norm_backward_operands<T> o) {
  const index_t row = static_cast<index_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= o.rows) return;  // a whole warp; never where a row is a block
  const T *x = o.x + row * o.width, *dy = o.dy + row * o.width;
  float dot = 0;
  for (index_t d = threadIdx.x; d < o.width; d += Threads)
    dot += static_cast<float>(dy[d]) * o.w[d] * static_cast<float>(x[d]);
  const float r = o.inverse_rms[row];
  const float pull = r * r * r * row_sum<Threads>(dot) / static_cast<float>(o.width);
  for (index_t d = threadIdx.x; d < o.width; d += Threads) {
    const float v[1] = {r * static_cast<float>(dy[d]) * o.w[d] - pull * static_cast<float>(x[d])};
    put_lanes(o.dx + row * o.width + d, o.add, v);
  }
}

/// The partial sums of dw for any width at any address: block (chunk, columns), a column a thread.
template <class T>
__global__ void __launch_bounds__(norm_block) rms_norm_dw_any_kernel(norm_backward_operands<T> o) {
  const index_t d = static_cast<index_t>(blockIdx.y) * blockDim.x + threadIdx.x, end = o.end();
  if (d >= o.width) return;
  float sum = 0;
  for (index_t row = blockIdx.x * o.chunk; row < end; ++row)
    sum +=
        static_cast<float>(o.dy[row * o.width + d]) * static_cast<float>(o.x[row * o.width + d]) * o.inverse_rms[row];
  o.partial[blockIdx.x * o.width + d] = sum;
}

inline constexpr int chunk_slices = 32;

/// dw[d] += the sum of partial[., d]: each of 32 slices adds every 32nd chunk, then the slices in order.
/// Block: 32 columns, 32 slices.
template <class Real>
__global__ void __launch_bounds__(warp_threads* chunk_slices)
    add_norm_chunks_kernel(Real* dw, const Real* partial, index_t chunks, index_t width) {
  __shared__ Real sums[chunk_slices][warp_threads];
  const index_t d = static_cast<index_t>(blockIdx.x) * warp_threads + threadIdx.x;
  Real sum = 0;
  if (d < width)
    for (index_t i = threadIdx.y; i < chunks; i += chunk_slices) sum += partial[i * width + d];
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || d >= width) return;
  for (int s = 1; s < chunk_slices; ++s) sum += sums[s][threadIdx.x];
  dw[d] += sum;
}

}  // namespace transfusion::cuda
