// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "transfusion/cuda/kernels/map.cuh"

namespace transfusion::cuda {

template <class T>
struct fill_map {
  static constexpr int lanes = 1;
  T* x;
  T value;

  template <int N>
  __device__ void at(index_t i) const {
    x[i] = value;
  }
};

/// x[i] = i.
struct count_up_map {
  static constexpr int lanes = 1;
  std::uint32_t* x;

  template <int N>
  __device__ void at(index_t i) const {
    x[i] = static_cast<std::uint32_t>(i);
  }
};

/// owner[rows[i]] = i.
struct owner_map {
  static constexpr int lanes = 1;
  std::int32_t* owner;
  const token_t* rows;

  template <int N>
  __device__ void at(index_t i) const {
    owner[rows[i]] = static_cast<std::int32_t>(i);
  }
};

/// first[r] = the place where the run of r begins in the sorted numbers.
struct first_place_map {
  static constexpr int lanes = 1;
  std::int32_t* first;
  const std::uint32_t* sorted;

  template <int N>
  __device__ void at(index_t i) const {
    if (i == 0 || sorted[i - 1] != sorted[i]) first[sorted[i]] = static_cast<std::int32_t>(i);
  }
};

/// The places 0 ... count - 1 of the numbers `rows`, ordered by number and, for one number, in rising order.
struct named_places {
  const std::uint32_t* rows;
  std::uint32_t *sorted, *identity, *order;  ///< the numbers in order; 0, 1, 2, ...; the places in order
  std::int32_t* first;                       ///< where each number's run begins in `order`; -1: it is not named
  index_t count;
};

template <class T>
struct gather_map {
  static constexpr int lanes = lanes_of<T>;
  T* y;
  const T* x;
  const token_t* rows;
  index_t cols;

  template <int N>
  __device__ void at(index_t i, index_t c) const {
    copy_lanes<N>(y + i * cols + c, x + rows[i] * cols + c);
  }
};

template <class T>
struct write_map {
  static constexpr int lanes = lanes_of<T>;
  T* y;
  const T* s;
  const token_t* rows;
  index_t cols;

  template <int N>
  __device__ void at(index_t i, index_t c) const {
    copy_lanes<N>(y + rows[i] * cols + c, s + i * cols + c);
  }
};

template <class T>
struct scatter_map {
  static constexpr int lanes = lanes_of<T>;
  T* y;
  const T *x, *s;
  const std::int32_t* owner;
  index_t cols;

  template <int N>
  __device__ void at(index_t n, index_t c) const {
    const index_t i = owner[n];
    copy_lanes<N>(y + n * cols + c, i < 0 ? x + n * cols + c : s + i * cols + c);
  }
};

template <class T>
struct scatter_backward_map {
  static constexpr int lanes = lanes_of<T>;
  T *dx, *ds;
  bool add_x, add_s;
  const T* dy;
  const std::int32_t* owner;
  index_t cols;

  template <int N>
  __device__ void at(index_t n, index_t c) const {
    const index_t i = owner[n];
    float v[N] = {};
    if (i < 0 || ds) read_lanes(v, dy + n * cols + c);
    if (i >= 0 && ds) put_lanes(ds + i * cols + c, add_s, v);
    if (!dx || (i >= 0 && add_x)) return;
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] = i < 0 ? v[k] : 0.f;
    put_lanes(dx + n * cols + c, add_x, v);
  }
};

/// dx[r] = or += the sum of the dy rows whose place names r, in rising order.
template <class T>
struct add_named_map {
  static constexpr int lanes = lanes_of<T>;
  T* dx;
  bool add;
  const T* dy;
  index_t cols;
  named_places places;

  template <int N>
  __device__ void at(index_t r, index_t c) const {
    const index_t first = places.first[r];
    if (first < 0 && add) return;
    float sum[N] = {};
    if (add) read_lanes(sum, dx + r * cols + c);
    for (index_t p = first; p >= 0 && p < places.count && places.sorted[p] == r; ++p) {
      float v[N];
      read_lanes(v, dy + places.order[p] * cols + c);
#pragma unroll
      for (int k = 0; k < N; ++k) sum[k] += v[k];
    }
    write_lanes(dx + r * cols + c, sum);
  }
};

/// Columns of a, then of b. Packs lie in one of them.
template <class T>
struct concatenate_map {
  static constexpr int lanes = lanes_of<T>;
  T* y;
  const T *a, *b;
  index_t of_a, of_b;  ///< widths

  template <int N>
  __device__ void at(index_t n, index_t c) const {
    copy_lanes<N>(y + n * (of_a + of_b) + c, c < of_a ? a + n * of_a + c : b + n * of_b + (c - of_a));
  }
};

/// dx = or += `cols` columns of dy from column `first` on.
template <class T>
struct take_columns_map {
  static constexpr int lanes = lanes_of<T>;
  T* dx;
  index_t add;  ///< whether to add
  const T* dy;
  index_t first, cols, of_dy;

  template <int N>
  __device__ void at(index_t n, index_t c) const {
    float v[N];
    read_lanes(v, dy + n * of_dy + first + c);
    put_lanes(dx + n * cols + c, add, v);
  }
};

}  // namespace transfusion::cuda
