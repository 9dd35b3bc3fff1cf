// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/outranks.hpp"
#include "transfusion/cuda/kernels/map.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

/// y[m] = the largest x[taps[m, k]] by channel, 0 without taps.
template <class T>
struct max_pool_map {
  static constexpr int lanes = lanes_of<T>;
  T* y;
  const T* x;
  const token_t* taps;
  index_t each, cols;

  template <int N>
  __device__ void at(index_t m, index_t c) const {
    float largest[N] = {};
    bool found = false;
    for (index_t k = 0; k < each; ++k) {
      const index_t n = taps[m * each + k];
      if (n < 0) continue;
      float v[N];
      read_lanes(v, x + n * cols + c);
#pragma unroll
      for (int i = 0; i < N; ++i)
        if (!found || outranks(v[i], largest[i])) largest[i] = v[i];
      found = true;
    }
    write_lanes(y + m * cols + c, largest);
  }
};

/// dx[n] = or += the dy[m] of the windows m in which n is the first of the largest; taps tell the other rows of m.
template <class T>
struct max_pool_backward_map {
  static constexpr int lanes = lanes_of<T>;
  T* dx;
  bool add;
  const T *dy, *x;
  const token_t *taps, *reverse;
  index_t each, cols;

  /// Clears `taken` where another row of window m goes before tap `own`, whose values are `mine`.
  template <int N>
  __device__ void compare(bool (&taken)[N], const float (&mine)[N], index_t m, index_t own, index_t c) const {
    for (index_t k = 0; k < each; ++k) {
      const index_t n = taps[m * each + k];
      if (k == own || n < 0) continue;
      float other[N];
      read_lanes(other, x + n * cols + c);
#pragma unroll
      for (int i = 0; i < N; ++i)
        taken[i] = taken[i] && (k < own ? outranks(mine[i], other[i]) : !outranks(other[i], mine[i]));
    }
  }
  template <int N>
  __device__ void at(index_t n, index_t c) const {
    float mine[N], sum[N] = {};
    read_lanes(mine, x + n * cols + c);
    for (index_t k = 0; k < each; ++k) {
      const index_t m = reverse[n * each + k];
      if (m < 0) continue;
      bool taken[N];
#pragma unroll
      for (int i = 0; i < N; ++i) taken[i] = true;
      compare(taken, mine, m, k, c);
      float d[N];
      read_lanes(d, dy + m * cols + c);
#pragma unroll
      for (int i = 0; i < N; ++i) sum[i] += taken[i] ? d[i] : 0.0f;
    }
    put_lanes(dx + n * cols + c, add, sum);
  }
};

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::max_pool(matrix y, const_matrix x, view<const token_t, 2> taps) {
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(y.data, x.data);
  cuda::map_rows(*context_, y.rows(), y.cols(), packed,
                 cuda::max_pool_map<Scalar>{y.data, x.data, taps.data, taps.cols(), x.cols()});
}

template <class Scalar>
void cuda_exec<Scalar>::max_pool_backward(sink dx, const_matrix dy, const_matrix x, view<const token_t, 2> taps,
                                          view<const token_t, 2> reverse) {
  if (!dx) return;
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(dx.into.data, dy.data, x.data);
  cuda::map_rows(*context_, x.rows(), x.cols(), packed,
                 cuda::max_pool_backward_map<Scalar>{dx.into.data, dx.add, dy.data, x.data, taps.data, reverse.data,
                                                     taps.cols(), x.cols()});
}

}  // namespace transfusion
