// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/core/interval.hpp"
#include "transfusion/cuda/device.cuh"
#include "transfusion/cuda/tiles.cuh"

namespace transfusion::cuda {

inline constexpr int plain_warps = 4, plain_threads = plain_warps * warp_threads;
inline constexpr int plain_channels = 8;  ///< of each lane, the most
inline constexpr index_t plain_most_width = plain_channels * warp_threads;

/// Operands of attention without tensor cores. q, o: [N, H*C]; k, v: [K, G*C]; keys: [N, I]; lse: [N, H] or null.
template <class Scalar>
struct plain_operands {
  Scalar* o;
  float* lse;
  const Scalar *q, *k, *v;
  const key_interval* keys;
  index_t rows, key_rows;
  int intervals, heads, kv_heads, width;
  float scale;
};

/// A row of one head, spread over a warp: lane l holds the channels l, l + 32, ...; zeros past the width.
struct lane_channels {
  float v[plain_channels];

  template <class Scalar>
  __device__ __forceinline__ static lane_channels load(const Scalar* row, int width, int lane) {
    lane_channels x;
#pragma unroll
    for (int i = 0; i < plain_channels; ++i) {
      const int c = i * warp_threads + lane;
      x.v[i] = c < width ? static_cast<float>(row[c]) : 0.f;
    }
    return x;
  }
  template <class Scalar>
  __device__ __forceinline__ void store(Scalar* row, int width, int lane, float factor) const {
#pragma unroll
    for (int i = 0; i < plain_channels; ++i) {
      const int c = i * warp_threads + lane;
      if (c < width) row[c] = static_cast<Scalar>(v[i] * factor);
    }
  }
  __device__ __forceinline__ float dot(const lane_channels& other) const {
    float sum = 0;
#pragma unroll
    for (int i = 0; i < plain_channels; ++i) sum = fmaf(v[i], other.v[i], sum);
    return warp_sum(sum);
  }
  /// this = a this + b x
  __device__ __forceinline__ void blend(float a, float b, const lane_channels& x) {
#pragma unroll
    for (int i = 0; i < plain_channels; ++i) v[i] = fmaf(b, x.v[i], a * v[i]);
  }
};

/// Online softmax attention, one warp a (row, head), key by key: for head widths and scalars that the tensor cores do
/// not take.
template <class Scalar>
__global__ void __launch_bounds__(plain_threads) attention_plain_kernel(plain_operands<Scalar> p) {
  const int warp = static_cast<int>(threadIdx.x) / warp_threads, lane = static_cast<int>(threadIdx.x) % warp_threads;
  const index_t at = index_t{blockIdx.x} * plain_warps + warp;  // of (row, head)
  if (at >= p.rows * p.heads) return;
  const index_t row = at / p.heads, key_head = at % p.heads / (p.heads / p.kv_heads);
  const index_t key_stride = index_t{p.kv_heads} * p.width, column = key_head * p.width;
  const row_keys mask = row_keys::of(p.keys + row * p.intervals, p.intervals, p.key_rows);
  const lane_channels query = lane_channels::load(p.q + at * p.width, p.width, lane);
  lane_channels o = {};
  float top = -INFINITY, sum = 0;
  for (int i = 0; i < 2; ++i)
    for (index_t key = mask.interval[i].begin; key < mask.interval[i].end; ++key) {
      const float score = query.dot(lane_channels::load(p.k + key * key_stride + column, p.width, lane)) * p.scale;
      const float high = fmaxf(top, score);
      const float shrink = high > top ? expf(top - high) : 1.f, weight = expf(score - high);
      sum = fmaf(sum, shrink, weight);
      o.blend(shrink, weight, lane_channels::load(p.v + key * key_stride + column, p.width, lane));
      top = high;
    }
  o.store(p.o + at * p.width, p.width, lane, sum == 0 ? 0.f : 1 / sum);
  if (p.lse != nullptr && lane == 0) p.lse[at] = sum == 0 ? -INFINITY : top + logf(sum);
}

}  // namespace transfusion::cuda
