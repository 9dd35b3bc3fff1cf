// SPDX-License-Identifier: Apache-2.0
#pragma once

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

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::normal(real_vector x, random_key key, double scale, index_t first) {
  const index_t first_block = first / 4, end_block = cuda::ceil_div(first + x.size(), 4);
  const bool packed = first % 4 == 0 && cuda::packs_fit<4>(x.data);
  if (x.size() == 0) return;
  cuda::map_all(*context_, end_block - first_block, false,
                cuda::normal_map{x.data, x.size(), first, first_block, key, scale, packed});
}

}  // namespace transfusion
