// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/cuda/kernels/map.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

/// Row n, pair i: cos and sin of positions(n, i % axes) * theta^(-2i/width), angles in double.
struct rope_table_map {
  view<float, 2> table;
  view<const token_t, 2> positions;
  double theta;

  template <int N>
  __device__ void at(index_t n, index_t i) const {
    const index_t width = table.cols();
    const double angle =
        positions(n, i % positions.cols()) * pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(width));
    table(n, 2 * i) = static_cast<float>(cos(angle));
    table(n, 2 * i + 1) = static_cast<float>(sin(angle));
  }
};

/// Rotates the N / 2 pairs of x that begin at column c of row n. Packs of one pair are read by element.
template <class T>
struct rope_map {
  T* x;
  const float* table;
  index_t cols;
  unsigned width;
  float direction;

  template <int N>
  __device__ void at(index_t n, index_t c) const {
    T* to = x + n * cols + c;
    const float* turn = table + n * width + static_cast<unsigned>(c) % width;
    float v[N], t[N];
    if constexpr (N == 2) {
      v[0] = static_cast<float>(to[0]), v[1] = static_cast<float>(to[1]);
      t[0] = turn[0], t[1] = turn[1];
    } else {
      read_lanes(v, to);
      read_lanes(t, turn);
    }
#pragma unroll
    for (int k = 0; k < N; k += 2) {
      const float sine = direction * t[k + 1], re = v[k], im = v[k + 1];
      v[k] = re * t[k] - im * sine;
      v[k + 1] = re * sine + im * t[k];
    }
    if constexpr (N == 2)
      to[0] = T(v[0]), to[1] = T(v[1]);
    else
      write_lanes(to, v);
  }
};

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::rope_table(real_matrix table, view<const token_t, 2> positions, double theta) {
  cuda::map_rows_by<1>(*context_, table.rows(), table.cols() / 2, cuda::rope_table_map{table, positions, theta});
}

template <class Scalar>
void cuda_exec<Scalar>::rope(matrix x, const_real_matrix table, double direction) {
  constexpr int lanes = cuda::lanes_of<Scalar>;
  const cuda::rope_map<Scalar> map{x.data, table.data, x.cols(), static_cast<unsigned>(table.cols()),
                                   static_cast<float>(direction)};
  if (table.cols() % lanes == 0 && cuda::packs_fit<lanes>(x.data, table.data))
    cuda::map_rows_by<lanes>(*context_, x.rows(), x.cols(), map);
  else
    cuda::map_rows_by<2>(*context_, x.rows(), x.cols(), map);
}

}  // namespace transfusion
