// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>

#include "transfusion/core/bf16.hpp"
#include "transfusion/core/types.hpp"
#include "transfusion/cuda/device.cuh"
#include "transfusion/cuda/ptx.cuh"

namespace transfusion::cuda {

/// How many elements of T one 16-byte pack holds.
template <class T>
inline constexpr int lanes_of = 16 / static_cast<int>(sizeof(T));

/// Whether every pointer may be read in packs of N elements (at most 16 bytes at a time). Null pointers may.
template <int N, class... T>
bool packs_fit(const T*... p) {
  return ((reinterpret_cast<std::uintptr_t>(p) % (sizeof(T) * (N < lanes_of<T> ? N : lanes_of<T>)) == 0) && ...);
}

/// N elements in one load.
template <int N, class T>
__device__ __forceinline__ pack<T, N> read_pack(const T* p) {
  return *reinterpret_cast<const pack<T, N>*>(p);
}

template <int N, class T>
__device__ __forceinline__ void widen_lanes(float (&v)[N], const pack<T, N>& q) {
#pragma unroll
  for (int k = 0; k < N; ++k) v[k] = static_cast<float>(q.v[k]);
}

/// N elements as floats.
template <int N, class T>
__device__ __forceinline__ void read_lanes(float (&v)[N], const T* p) {
  constexpr int each = N < lanes_of<T> ? N : lanes_of<T>;
#pragma unroll
  for (int at = 0; at < N; at += each) {
    const pack<T, each> q = read_pack<each>(p + at);
#pragma unroll
    for (int k = 0; k < each; ++k) v[at + k] = static_cast<float>(q.v[k]);
  }
}

template <int N>
__device__ __forceinline__ void write_lanes(float* p, const float (&v)[N]) {
  constexpr int each = N < 4 ? N : 4;
#pragma unroll
  for (int at = 0; at < N; at += each) {
    pack<float, each> q;
#pragma unroll
    for (int k = 0; k < each; ++k) q.v[k] = v[at + k];
    *reinterpret_cast<pack<float, each>*>(p + at) = q;
  }
}
template <int N>
__device__ __forceinline__ void write_lanes(bf16* p, const float (&v)[N]) {
  static_assert(N <= 8);
  if constexpr (N == 1) {
    *p = bf16(v[0]);
  } else {
    pack<std::uint32_t, N / 2> words;
#pragma unroll
    for (int k = 0; k < N / 2; ++k) words.v[k] = pack_bf16(v[2 * k], v[2 * k + 1]);
    *reinterpret_cast<pack<bf16, N>*>(p) = std::bit_cast<pack<bf16, N>>(words);
  }
}

/// Leaves v where a gradient belongs: added to what stands there, or written over it.
template <int N, class T>
__device__ __forceinline__ void put_lanes(T* p, bool add, const float (&v)[N]) {
  float sum[N];
  if (add) {
    read_lanes(sum, p);
  } else {
#pragma unroll
    for (int k = 0; k < N; ++k) sum[k] = 0;
  }
#pragma unroll
  for (int k = 0; k < N; ++k) sum[k] += v[k];
  write_lanes(p, sum);
}

/// N elements, bit for bit.
template <int N, class T>
__device__ __forceinline__ void copy_lanes(T* to, const T* from) {
  *reinterpret_cast<pack<T, N>*>(to) = *reinterpret_cast<const pack<T, N>*>(from);
}

}  // namespace transfusion::cuda
