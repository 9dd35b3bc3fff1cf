// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <cub/cub.cuh>

#include "transfusion/core/host_device.hpp"
#include "transfusion/core/text_sampling.hpp"
#include "transfusion/core/types.hpp"
#include "transfusion/cuda/device.cuh"
#include "transfusion/cuda/kernels/candidate.cuh"

namespace transfusion::cuda {

/// A row in the upper half, a logit in the lower one: rising keys are rising rows and, in a row, falling logits.
using sampling_key = std::uint64_t;

constexpr std::uint32_t sign_bit = 0x80000000u;

/// NaN counts as +inf, and both zeros as one.
__device__ inline sampling_key key_of(std::uint32_t row, float logit) {
  const std::uint32_t bits = __float_as_uint(logit != logit ? INFINITY : logit == 0 ? 0.f : logit);
  const std::uint32_t rising = bits & sign_bit ? ~bits : bits | sign_bit;
  return sampling_key{row} << 32 | static_cast<std::uint32_t>(~rising);
}
__device__ inline float logit_of(sampling_key key) {
  const std::uint32_t rising = ~static_cast<std::uint32_t>(key);
  return __uint_as_float(rising & sign_bit ? rising ^ sign_bit : ~rising);
}

/// Keys and tokens of rows of logits.
struct sampling_key_map {
  static constexpr int lanes = 1;
  sampling_key* keys;
  std::uint32_t* tokens;
  const float* logits;
  std::uint32_t vocabulary;

  template <int N>
  __device__ void at(index_t i) const {
    const auto place = static_cast<std::uint32_t>(i);  // of one chunk
    keys[i] = key_of(place / vocabulary, logits[i]);
    tokens[i] = place % vocabulary;
  }
};

/// Forbidden tokens get the key of -inf.
struct forbid_map {
  static constexpr int lanes = 1;
  sampling_key* keys;
  const token_t* forbidden;
  index_t each, vocabulary;

  template <int N>
  __device__ void at(index_t i) const {
    const index_t row = i / each, token = forbidden[i];
    if (token >= 0) keys[row * vocabulary + token] = key_of(static_cast<std::uint32_t>(row), -INFINITY);
  }
};

/// The lowest i < count for which `holds`, or count; once it holds it holds for all that follow.
template <class Test>
__device__ index_t first_where(index_t count, Test holds) {
  index_t begin = 0;
  while (begin < count) {
    const index_t middle = begin + (count - begin) / 2;
    if (holds(middle))
      count = middle;
    else
      begin = middle + 1;
  }
  return begin;
}

inline constexpr int draw_threads = 512;

/// out[r] = the token that u[r] draws from row r of sorted keys; block r. `reach` [rows, vocabulary] takes running
/// sums. Those are added in another order than one after another, so neighbours may be out of order by a rounding; as
/// each of them has a weight above 0, a search then finds a token that lies within a rounding of the right one.
template <int Threads>
__global__ void __launch_bounds__(Threads)
    draw_kernel(token_t* out, const sampling_key* keys, const std::uint32_t* tokens, double* reach, const float* u,
                index_t vocabulary, text_sampling settings) {
  constexpr int items = 4;
  using scan = cub::BlockScan<double, Threads, cub::BLOCK_SCAN_WARP_SCANS>;
  __shared__ typename scan::TempStorage storage;
  const index_t row = blockIdx.x;
  keys += row * vocabulary, tokens += row * vocabulary, reach += row * vocabulary;

  const float top = logit_of(keys[0]);
  if (!(top > -INFINITY && top < INFINITY)) {  // the same for the whole block
    if (threadIdx.x == 0) out[row] = ignored;
    return;
  }
  const auto weight = [&](index_t i) {
    return exp((static_cast<double>(logit_of(keys[i])) - static_cast<double>(top)) / settings.temperature);
  };
  const index_t most = settings.top_k > 0 && settings.top_k < vocabulary ? settings.top_k : vocabulary;
  const index_t count = first_where(most, [&](index_t i) { return !(weight(i) > 0); });

  double sum = 0;
  for (index_t base = 0; base < count; base += Threads * items) {
    const index_t first = base + static_cast<index_t>(threadIdx.x) * items;
    double mine[items], own = 0, before, all;
#pragma unroll
    for (int k = 0; k < items; ++k) mine[k] = own += first + k < count ? weight(first + k) : 0.0;
    scan(storage).ExclusiveSum(own, before, all);
#pragma unroll
    for (int k = 0; k < items; ++k)
      if (first + k < count) reach[first + k] = sum + (before + mine[k]);
    sum += all;
    __syncthreads();  // the storage serves again, and in the end thread 0 reads all sums
  }
  if (threadIdx.x != 0) return;
  const double kept = settings.top_p * reach[count - 1];
  const index_t last = first_where(count - 1, [&](index_t i) { return reach[i] >= kept; });
  const double target = static_cast<double>(u[row]) * reach[last];
  out[row] = static_cast<token_t>(tokens[first_where(last, [&](index_t i) { return reach[i] > target; })]);
}

inline constexpr int greedy_threads = 1024;

/// out[r] = the likeliest token of row r that is not forbidden; block r.
template <int Threads>
__global__ void __launch_bounds__(Threads)
    greedy_kernel(token_t* out, const float* logits, const token_t* forbidden, index_t vocabulary, index_t each) {
  const index_t row = blockIdx.x;
  logits += row * vocabulary, forbidden += row * each;
  const auto is_forbidden = [&](token_t t) {
    for (index_t f = 0; f < each; ++f)
      if (forbidden[f] == t) return true;
    return false;
  };

  candidate best{-INFINITY, ignored};
#pragma unroll 4
  for (index_t i = threadIdx.x; i < vocabulary; i += Threads) {
    const float logit = logits[i];
    const auto token = static_cast<token_t>(i);
    if (logit <= best.logit || is_forbidden(token)) continue;  // NaN goes on
    best = logit < INFINITY ? candidate{logit, token} : candidate{INFINITY, ignored};
  }
  best = block_likeliest<Threads>(best);
  if (threadIdx.x == 0) out[row] = best.token;
}

}  // namespace transfusion::cuda
