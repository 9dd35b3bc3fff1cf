// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "transfusion/core/philox.hpp"
#include "transfusion/cuda/kernels/map.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

/// Block b of the Philox sequence, rounded from double as on every policy: up to four elements of x.
struct normal_map {
  float* x;
  index_t size, first, first_block;
  random_key key;
  double scale;
  bool packed;  ///< whole blocks lie where packs may be stored

  static constexpr int lanes = 1;
  template <int N>
  __device__ void at(index_t b) const {
    double four[4];
    normal_block(key, static_cast<std::uint64_t>(first_block + b), four);
    float v[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) v[k] = static_cast<float>(scale * four[k]);
    const index_t to = (first_block + b) * 4 - first;
    if (packed && to + 4 <= size) return write_lanes(x + to, v);
#pragma unroll
    for (int k = 0; k < 4; ++k)
      if (to + k >= 0 && to + k < size) x[to + k] = v[k];
  }
};

/// Elements of y are x scaled, or 0 where the key's number is below the threshold (Srivastava et al. 2014, inverted).
template <class T>
struct dropout_map {
  static constexpr int lanes = lanes_of<T>;
  T* y;
  index_t add;  ///< whether to add
  const T* x;
  index_t first;
  random_key key;
  std::uint64_t threshold;
  float scale;

  __device__ float kept(std::uint32_t bits, float v) const { return bits >= threshold ? v * scale : 0.f; }

  template <int N>
  __device__ void at(index_t i) const {
    const auto element = static_cast<std::uint64_t>(first + i);
    float v[N];
    read_lanes(v, x + i);
    if constexpr (N == 1) {
      const philox::block words = key.block(element / 4);
      const std::uint32_t low = element % 2 ? words.word[1] : words.word[0];
      const std::uint32_t high = element % 2 ? words.word[3] : words.word[2];
      v[0] = kept(element % 4 < 2 ? low : high, v[0]);
    } else {  // packs begin at a whole block
#pragma unroll
      for (int b = 0; b < N / 4; ++b) {
        const philox::block words = key.block(element / 4 + static_cast<std::uint64_t>(b));
#pragma unroll
        for (int k = 0; k < 4; ++k) v[4 * b + k] = kept(words.word[k], v[4 * b + k]);
      }
    }
    put_lanes(y + i, add, v);
  }
};

/// The lowest bits whose uniform number is at least `rate`: (bits + 1/2) / 2^32 >= rate.
inline std::uint64_t dropout_threshold(double rate) {
  return static_cast<std::uint64_t>(std::clamp(std::ceil(rate * 0x1p32 - 0.5), 0.0, 0x1p32));
}

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::dropout(sink y, const_matrix x, random_key key, double rate, index_t first) {
  if (!y) return;
  constexpr int lanes = cuda::lanes_of<Scalar>;
  const bool packed = first % 4 == 0 && cuda::packs_fit<lanes>(y.into.data, x.data);
  cuda::map_all(*context_, x.size(), packed,
                cuda::dropout_map<Scalar>{y.into.data, y.add, x.data, first, key, cuda::dropout_threshold(rate),
                                          static_cast<float>(1 / (1 - rate))});
}

template <class Scalar>
void cuda_exec<Scalar>::normal(real_vector x, random_key key, double scale, index_t first) {
  const index_t first_block = first / 4, end_block = cuda::ceil_div(first + x.size(), 4);
  const bool packed = first % 4 == 0 && cuda::packs_fit<4>(x.data);
  if (x.size() == 0) return;
  cuda::map_all(*context_, end_block - first_block, false,
                cuda::normal_map{x.data, x.size(), first, first_block, key, scale, packed});
}

}  // namespace transfusion
