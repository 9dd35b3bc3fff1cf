// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/core/types.hpp"
#include "transfusion/cuda/device.cuh"

namespace transfusion::cuda {

/// One place of a row in the search for the largest. Which of two is likelier depends on no order: of equal ones the
/// lower.
struct candidate {
  float logit;
  token_t token;
};
__device__ inline bool likelier(candidate a, candidate b) {
  return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}
__device__ inline candidate warp_likeliest(candidate best) {
  for (int step = warp_threads / 2; step > 0; step /= 2) {
    const candidate other{__shfl_xor_sync(full_warp, best.logit, step), __shfl_xor_sync(full_warp, best.token, step)};
    if (likelier(other, best)) best = other;
  }
  return best;
}

/// The likeliest of all threads, in the threads of the first warp; all threads call, once a kernel.
template <int Threads>
__device__ candidate block_likeliest(candidate best) {
  constexpr int warps = Threads / warp_threads;
  static_assert(Threads % warp_threads == 0 && warps <= warp_threads);
  __shared__ candidate of_warp[warps];
  best = warp_likeliest(best);
  if (threadIdx.x % warp_threads == 0) of_warp[threadIdx.x / warp_threads] = best;
  __syncthreads();
  if (threadIdx.x >= warp_threads) return best;
  return warp_likeliest(threadIdx.x < warps ? of_warp[threadIdx.x] : candidate{-INFINITY, ignored});
}

}  // namespace transfusion::cuda
