// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/cuda/kernels/norm.cuh"

// Layer norm, Ba et al. 2016: as the root mean square norm (norm.cuh), with the mean taken off first. The variance is
// the mean square of what is left, so that a large mean costs no digits.
namespace transfusion::cuda {

template <class T>
struct layer_norm_operands {
  T* y;                ///< [rows, width]
  float* stats;        ///< [rows, 2]: mean, 1/deviation; or null
  const T* x;          ///< [rows, width]
  const float *w, *b;  ///< [width], or null
  index_t rows, width;
  float epsilon;

  __device__ __forceinline__ float mean_of(float sum) const { return sum / static_cast<float>(width); }
  __device__ __forceinline__ float inverse(float squares) const {
    return rsqrtf(squares / static_cast<float>(width) + epsilon);
  }
  __device__ __forceinline__ void keep(index_t row, float mean, float inverse) const {
    if (threadIdx.x != 0 || !stats) return;
    stats[2 * row] = mean;
    stats[2 * row + 1] = inverse;
  }
  /// v: the difference from the mean.
  template <int N>
  __device__ __forceinline__ void write(float (&v)[N], index_t row, index_t at, float inverse) const {
    float scale[N] = {}, shift[N] = {};
    if (w) read_lanes(scale, w + at);
    if (b) read_lanes(shift, b + at);
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] = v[k] * inverse * (w ? scale[k] : 1.f) + (b ? shift[k] : 0.f);
    write_lanes(y + row * width + at, v);
  }
};

template <class T, int Lanes, int Packs, int Threads>
__global__ void __launch_bounds__(norm_block) layer_norm_kernel(layer_norm_operands<T> o) {
  const index_t row = static_cast<index_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= o.rows) return;  // a whole warp; never where a row is a block
  const index_t first = static_cast<index_t>(threadIdx.x) * Lanes;
  pack<T, Lanes> own[Packs] = {};
#pragma unroll
  for (int j = 0; j < Packs; ++j) {  // all loads under way before the first is used
    const index_t at = first + j * Threads * Lanes;
    if (at < o.width) own[j] = read_pack<Lanes>(o.x + row * o.width + at);
  }
  float v[Packs][Lanes], sum = 0, squares = 0;
#pragma unroll
  for (int j = 0; j < Packs; ++j) {
    widen_lanes(v[j], own[j]);
#pragma unroll
    for (int k = 0; k < Lanes; ++k) sum += v[j][k];
  }
  const float mean = o.mean_of(row_sum<Threads>(sum));
#pragma unroll
  for (int j = 0; j < Packs; ++j) {
    if (first + j * Threads * Lanes >= o.width) continue;
#pragma unroll
    for (int k = 0; k < Lanes; ++k) {
      v[j][k] -= mean;
      squares += v[j][k] * v[j][k];
    }
  }
  const float inverse = o.inverse(row_sum<Threads>(squares));
  o.keep(row, mean, inverse);
#pragma unroll
  for (int j = 0; j < Packs; ++j) {
    const index_t at = first + j * Threads * Lanes;
    if (at < o.width) o.write(v[j], row, at, inverse);
  }
}

/// Rows of any width at any address, read three times.
template <class T, int Threads>
__global__ void __launch_bounds__(norm_block) layer_norm_any_kernel(layer_norm_operands<T> o) {
  const index_t row = static_cast<index_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= o.rows) return;
  const T* x = o.x + row * o.width;
  float sum = 0, squares = 0;
  for (index_t at = threadIdx.x; at < o.width; at += Threads) sum += static_cast<float>(x[at]);
  const float mean = o.mean_of(row_sum<Threads>(sum));
  for (index_t at = threadIdx.x; at < o.width; at += Threads) {
    const float v = static_cast<float>(x[at]) - mean;
    squares += v * v;
  }
  const float inverse = o.inverse(row_sum<Threads>(squares));
  o.keep(row, mean, inverse);
  for (index_t at = threadIdx.x; at < o.width; at += Threads) {
    float v[1] = {static_cast<float>(x[at]) - mean};
    o.write(v, row, at, inverse);
  }
}

}  // namespace transfusion::cuda
