// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "transfusion/core/bf16.hpp"
#include "transfusion/core/types.hpp"
#include "transfusion/cuda/ptx.cuh"

namespace transfusion::cuda {

constexpr int warp_threads = 32;
constexpr unsigned full_warp = 0xffffffffu;

/// N elements that move in one load or store (16 bytes at the most).
template <class T, int N>
struct alignas(sizeof(T) * N) pack {
  T v[N];
};

/// The sum over the warp, the same bits in every lane; all 32 lanes call.
template <class Real>
__device__ __forceinline__ Real warp_sum(Real x) {
  for (int step = warp_threads / 2; step > 0; step /= 2) x += __shfl_xor_sync(full_warp, x, step);
  return x;
}

/// The largest over the warp, in every lane; all 32 lanes call.
__device__ __forceinline__ float warp_max(float x) {
  for (int step = warp_threads / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(full_warp, x, step));
  return x;
}

/// The sum over a block of (Threads, 1, 1) threads, the same bits in every thread; all threads call.
template <int Threads, class Real>
__device__ __forceinline__ Real block_sum(Real x) {
  static_assert(Threads % warp_threads == 0 && Threads <= warp_threads * warp_threads);
  constexpr int Warps = Threads / warp_threads;
  x = warp_sum(x);
  if constexpr (Warps > 1) {
    __shared__ Real partial[Warps];
    const int lane = static_cast<int>(threadIdx.x) % warp_threads;
    __syncthreads();  // an earlier call's readers have left
    if (lane == 0) partial[threadIdx.x / warp_threads] = x;
    __syncthreads();
    x = warp_sum(lane < Warps ? partial[lane] : Real{0});
  }
  return x;
}

/// The base of the block's dynamic shared memory, 128-byte aligned.
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  static_assert(alignof(T) <= 128);
  return static_cast<T*>(dynamic_shared_base());
}

}  // namespace transfusion::cuda
