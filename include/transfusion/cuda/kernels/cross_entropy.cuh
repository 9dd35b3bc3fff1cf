// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/core/types.hpp"
#include "transfusion/cuda/device.cuh"

namespace transfusion::cuda {

inline constexpr int cross_entropy_threads = 512;

/// The largest of all threads' values, in every thread.
template <int Threads>
__device__ float block_max(float value) {
  __shared__ float tops[Threads / 32];
  value = warp_max(value);
  if (threadIdx.x % 32 == 0) tops[threadIdx.x / 32] = value;
  __syncthreads();
  for (int w = 0; w < Threads / 32; ++w) value = fmaxf(value, tops[w]);
  return value;
}

/// Elements first to first + 3 of a row; what lies past its end reads as -infinity. first is a multiple of 4.
__device__ inline pack<float, 4> four_logits(const float* row, index_t first, index_t count) {
  if (first + 4 <= count) return *reinterpret_cast<const pack<float, 4>*>(row + first);
  pack<float, 4> four;
  for (int j = 0; j < 4; ++j) four.v[j] = first + j < count ? row[first + j] : -INFINITY;
  return four;
}

template <class T>
__device__ void store_four(T* row, index_t first, index_t count, const float (&values)[4]) {
  if (first + 4 <= count) {
    pack<T, 4> four;
    for (int j = 0; j < 4; ++j) four.v[j] = static_cast<T>(values[j]);
    *reinterpret_cast<pack<T, 4>*>(row + first) = four;
    return;
  }
  for (int j = 0; j < 4; ++j)
    if (first + j < count) row[first + j] = static_cast<T>(values[j]);
}

/// log of the sum of exponentials of a row, in every thread: one pass, each thread with its own running maximum.
template <int Threads>
__device__ float log_sum_exp(const float* row, index_t count) {
  float top = -INFINITY, sum = 0;
  for (index_t i = index_t{threadIdx.x} * 4; i < count; i += Threads * 4) {
    const pack<float, 4> four = four_logits(row, i, count);
    const float higher = fmaxf(fmaxf(four.v[0], four.v[1]), fmaxf(four.v[2], four.v[3]));
    if (higher > top) {
      sum *= expf(top - higher);
      top = higher;
    }
    for (int j = 0; j < 4; ++j) sum += expf(four.v[j] - top);
  }
  const float all = block_max<Threads>(top);
  return all + logf(block_sum<Threads>(sum * expf(top - all)));
}

/// The sum of a row, in every thread.
template <int Threads>
__device__ float row_sum(const float* row, index_t count) {
  float sum = 0;
  for (index_t i = threadIdx.x; i < count; i += Threads) sum += row[i];
  return block_sum<Threads>(sum);
}

/// Turns rows of logits (block r: row r, `pitch` floats apart) into loss and log Z and, where weights are given, in
/// place into gradients of type T: w (p (1 + 2 z log Z) - (1 - s) 1[target] - s / vocabulary), s the smoothing, of
/// which every token gets `share` and the target `aim`. A row without a target gets zeros.
template <class T, int Threads>
__global__ void __launch_bounds__(Threads)
    cross_entropy_kernel(float* loss, float* log_z, float* logits, index_t pitch, index_t vocabulary,
                         const token_t* targets, const float* weights, float z_weight, float smoothing, float share,
                         float aim) {
  static_assert(sizeof(T) <= sizeof(float));
  float* row = logits + blockIdx.x * pitch;
  T* gradient = reinterpret_cast<T*>(row);
  const index_t target = targets[blockIdx.x];
  const bool kept = target >= 0;
  float z = 0, total = 0;
  if (kept) z = log_sum_exp<Threads>(row, vocabulary);  // the same for the whole block
  if (kept && smoothing > 0) total = row_sum<Threads>(row, vocabulary);
  if (threadIdx.x == 0) {
    float value = kept ? z - row[target] : 0.0f;
    if (kept && smoothing > 0) value += smoothing * (row[target] - total / static_cast<float>(vocabulary));
    loss[blockIdx.x] = value;
    log_z[blockIdx.x] = z;
  }
  if (!weights) return;
  // The pull of log Z apart: where p is near its target, their difference keeps all its digits.
  const float weight = kept ? weights[blockIdx.x] : 0.0f, pull = weight * (2 * z_weight * z);
  for (index_t base = 0; base < vocabulary; base += Threads * 4) {
    const index_t i = base + threadIdx.x * 4;
    float values[4] = {};
    if (kept) {
      const pack<float, 4> four = four_logits(row, i, vocabulary);
      for (int j = 0; j < 4; ++j) {
        const float p = expf(four.v[j] - z);
        values[j] = weight * (p - (i + j == target ? aim : share)) + pull * p;
      }
    }
    __syncthreads();  // gradients take the bytes of logits that lie no later: all of this stretch are read by now
    store_four(gradient, i, vocabulary, values);
  }
}

}  // namespace transfusion::cuda
