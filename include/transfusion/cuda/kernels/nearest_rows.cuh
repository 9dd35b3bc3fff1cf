// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/cuda/kernels/candidate.cuh"

namespace transfusion::cuda {

inline constexpr int nearest_threads = 256;

/// halves[v] = |table[v]|² / 2; a warp a row.
template <class T>
__global__ void __launch_bounds__(nearest_threads)
    half_norms_kernel(float* halves, const T* table, index_t entries, index_t width) {
  constexpr int warps = nearest_threads / warp_threads;
  const index_t v = static_cast<index_t>(blockIdx.x) * warps + threadIdx.x / warp_threads;
  if (v >= entries) return;  // the same for the whole warp
  float sum = 0;
  for (index_t d = threadIdx.x % warp_threads; d < width; d += warp_threads) {
    const float t = static_cast<float>(table[v * width + d]);
    sum += t * t;
  }
  sum = warp_sum(sum);
  if (threadIdx.x % warp_threads == 0) halves[v] = sum / 2;
}

/// out[r] = the lowest v for which scores(r, v) - halves[v] is largest, 0 where one of them is not finite; block r.
template <int Threads>
__global__ void __launch_bounds__(Threads)
    nearest_kernel(token_t* out, const float* scores, index_t pitch, const float* halves, index_t entries) {
  scores += blockIdx.x * pitch;
  candidate best{-INFINITY, ignored};
  for (index_t v = threadIdx.x; v < entries; v += Threads) {
    const float score = scores[v] - halves[v];
    if (!(fabsf(score) < INFINITY))
      best = {INFINITY, 0};  // above all that is finite
    else if (score > best.logit)
      best = {score, static_cast<token_t>(v)};
  }
  best = block_likeliest<Threads>(best);
  if (threadIdx.x == 0) out[blockIdx.x] = best.token;
}

}  // namespace transfusion::cuda
