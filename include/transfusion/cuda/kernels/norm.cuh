// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/cuda/kernels/lanes.cuh"

// Root mean square norm, Zhang & Sennrich 2019: a row to a warp where it is narrow, to a block where it is wide. Blocks
// are (Threads, rows at a time); a row is kept in registers, Packs packs a thread, and read once.
namespace transfusion::cuda {

inline constexpr int norm_block = 256;

/// The sum over the threads of a row: all of them call.
template <int Threads>
__device__ __forceinline__ float row_sum(float x) {
  if constexpr (Threads == warp_threads)
    return warp_sum(x);
  else
    return block_sum<Threads>(x);
}

template <class T>
struct norm_operands {
  T *sum, *y;          ///< [rows, width]; sum only where there is b
  float* inverse_rms;  ///< [rows], or null
  const T *a, *b;      ///< [rows, width]; b may be null
  const float* w;      ///< [width]
  index_t rows, width;
  float epsilon;

  /// v becomes the sum as it is kept, in the precision of T, so that the backward normalises the same numbers.
  template <int N>
  __device__ __forceinline__ void add(float (&v)[N], const pack<T, N>& other, index_t row, index_t at) const {
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] = static_cast<float>(T(v[k] + static_cast<float>(other.v[k])));
    write_lanes(sum + row * width + at, v);
  }
  template <int N>
  __device__ __forceinline__ void write(float (&v)[N], index_t row, index_t at, float inverse) const {
    float scale[N];
    read_lanes(scale, w + at);
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] = v[k] * inverse * scale[k];
    write_lanes(y + row * width + at, v);
  }
  __device__ __forceinline__ float inverse(float squares) const {
    return rsqrtf(squares / static_cast<float>(width) + epsilon);
  }
};

template <class T, int Lanes, int Packs, int Threads>
__global__ void __launch_bounds__(norm_block) rms_norm_kernel(norm_operands<T> o) {
  const index_t row = static_cast<index_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= o.rows) return;  // a whole warp; never where a row is a block
  const index_t first = static_cast<index_t>(threadIdx.x) * Lanes;
  pack<T, Lanes> own[Packs] = {}, other[Packs] = {};
#pragma unroll
  for (int j = 0; j < Packs; ++j) {  // all loads under way before the first is used
    const index_t at = first + j * Threads * Lanes;
    if (at < o.width) own[j] = read_pack<Lanes>(o.a + row * o.width + at);
    if (at < o.width && o.b) other[j] = read_pack<Lanes>(o.b + row * o.width + at);
  }
  float v[Packs][Lanes], squares = 0;
#pragma unroll
  for (int j = 0; j < Packs; ++j) {
    const index_t at = first + j * Threads * Lanes;
    widen_lanes(v[j], own[j]);
    if (at < o.width && o.b) o.add(v[j], other[j], row, at);
#pragma unroll
    for (int k = 0; k < Lanes; ++k) squares += v[j][k] * v[j][k];
  }
  const float inverse = o.inverse(row_sum<Threads>(squares));
  if (threadIdx.x == 0 && o.inverse_rms) o.inverse_rms[row] = inverse;
#pragma unroll
  for (int j = 0; j < Packs; ++j) {
    const index_t at = first + j * Threads * Lanes;
    if (at < o.width) o.write(v[j], row, at, inverse);
  }
}

/// Rows of any width at any address, read twice.
template <class T, int Threads>
__global__ void __launch_bounds__(norm_block) rms_norm_any_kernel(norm_operands<T> o) {
  const index_t row = static_cast<index_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= o.rows) return;
  float squares = 0, v[1];
  for (index_t at = threadIdx.x; at < o.width; at += Threads) {
    read_lanes(v, o.a + row * o.width + at);
    if (o.b) o.add(v, read_pack<1>(o.b + row * o.width + at), row, at);
    squares += v[0] * v[0];
  }
  const float inverse = o.inverse(row_sum<Threads>(squares));
  if (threadIdx.x == 0 && o.inverse_rms) o.inverse_rms[row] = inverse;
  const T* x = (o.b ? o.sum : o.a) + row * o.width;
  for (index_t at = threadIdx.x; at < o.width; at += Threads) {
    read_lanes(v, x + at);
    o.write(v, row, at, inverse);
  }
}

}  // namespace transfusion::cuda
