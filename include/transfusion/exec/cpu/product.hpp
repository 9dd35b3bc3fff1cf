// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/core/types.hpp"
#include "transfusion/exec/cpu/tile_product.hpp"

#ifndef TRANSFUSION_USE_BLAS
#define TRANSFUSION_USE_BLAS 0
#endif

#if TRANSFUSION_USE_BLAS
extern "C" {
void sgemm_(const char*, const char*, const int*, const int*, const int*, const float*, const float*, const int*,
            const float*, const int*, const float*, float*, const int*);
void dgemm_(const char*, const char*, const int*, const int*, const int*, const double*, const double*, const int*,
            const double*, const int*, const double*, double*, const int*);
// Present in OpenBLAS only.
void openblas_set_num_threads(int) __attribute__((weak));
}
#endif

namespace transfusion::detail {

/// A row-major factor of a product: [rows, cols], or its transpose.
template <class Scalar>
struct factor {
  const Scalar* data;
  index_t stride;
  bool transposed = false;

  /// The part from (row, col) on.
  factor from(index_t row, index_t col) const {
    return {data + (transposed ? col * stride + row : row * stride + col), stride, transposed};
  }
};

/// Extents of one packed block: all of it stays in the second cache (depths of 128 and 256 measure alike).
inline constexpr index_t packed_depth = 256;
inline constexpr index_t packed_rows = 264;  // a multiple of the register tile's rows
inline constexpr index_t packed_cols = 512;
/// Elements of packing memory that each thread needs for `product`.
inline constexpr index_t packing_elements = packed_depth * (packed_rows + packed_cols) + 64;

/// One product runs on one thread: the policy cuts the work itself. Called once by the constructor.
inline void single_threaded_blas() {
#if TRANSFUSION_USE_BLAS
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
#endif
}

#if TRANSFUSION_USE_BLAS

inline void blas_gemm(const char* ta, const char* tb, const int* m, const int* n, const int* k, const float* alpha,
                      const float* a, const int* lda, const float* b, const int* ldb, const float* beta, float* c,
                      const int* ldc) {
  sgemm_(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
inline void blas_gemm(const char* ta, const char* tb, const int* m, const int* n, const int* k, const double* alpha,
                      const double* a, const int* lda, const double* b, const int* ldb, const double* beta, double* c,
                      const int* ldc) {
  dgemm_(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

/// c = a b, or c += a b, on one thread; c [m, n] row-major, depth k.
template <class Scalar>
void product(index_t m, index_t n, index_t k, factor<Scalar> a, factor<Scalar> b, bool add, Scalar* c, index_t c_stride,
             Scalar*) {
  if (m == 0 || n == 0) return;
  // BLAS is column-major: it sees the transposes, and works out c^T = b^T a^T.
  const int rows = static_cast<int>(n), cols = static_cast<int>(m), depth = static_cast<int>(k);
  const int lda = static_cast<int>(a.stride), ldb = static_cast<int>(b.stride), ldc = static_cast<int>(c_stride);
  const Scalar one = 1, keep = add ? Scalar{1} : Scalar{0};
  blas_gemm(b.transposed ? "T" : "N", a.transposed ? "T" : "N", &rows, &cols, &depth, &one, b.data, &ldb, a.data, &lda,
            &keep, c, &ldc);
}

#endif

/// Panels of b, [panel][depth][panel columns], the last panel zero up to a whole register.
template <class Scalar>
void pack_panels(index_t depth, index_t cols, factor<Scalar> b, Scalar* to) {
  constexpr index_t across = tile_lanes<Scalar> * lane_count<Scalar>;
  for (index_t j = 0; j < cols; j += across) {
    const index_t some = std::min(across, cols - j), stride = padded<Scalar>(some);
    if (b.transposed)
      transpose(some, depth, b.data + j * b.stride, b.stride, to, stride);
    else
      for (index_t k = 0; k < depth; ++k) {
        const Scalar* from = b.data + k * b.stride + j;
        Scalar* row = to + k * stride;
        if (some == across)
          for (index_t i = 0; i < across; i += lane_count<Scalar>) store(row + i, load(from + i));
        else
          std::fill(std::copy_n(from, some, row), row + stride, Scalar{0});
      }
    to += stride * depth;
  }
}

/// Groups of six rows of a: [group][6][depth], or [group][depth][6] where a is transposed.
template <class Scalar>
void pack_groups(index_t depth, index_t rows, factor<Scalar> a, Scalar* to) {
  for (index_t r = 0; r < rows; r += tile_rows, to += tile_rows * depth) {
    const index_t some = std::min(tile_rows, rows - r);
    if (!a.transposed)
      for (index_t i = 0; i < some; ++i) std::copy_n(a.data + (r + i) * a.stride, depth, to + i * depth);
    else if (some == tile_rows)
      for (index_t k = 0; k < depth; ++k) std::copy_n(a.data + k * a.stride + r, tile_rows, to + k * tile_rows);
    else
      for (index_t k = 0; k < depth; ++k) std::copy_n(a.data + k * a.stride + r, some, to + k * tile_rows);
  }
}

/// One packed block: all rows against one panel after the other, the panel in the first cache.
template <class Scalar>
void block_product(index_t rows, index_t cols, index_t depth, const Scalar* groups, bool transposed,
                   const Scalar* panel, bool add, Scalar* c, index_t c_stride) {
  constexpr index_t across = tile_lanes<Scalar> * lane_count<Scalar>;
  for (index_t j = 0; j < cols; j += across) {
    const index_t some = std::min(across, cols - j), stride = padded<Scalar>(some);
    for (index_t r = 0; r < rows; r += tile_rows) {
      const index_t count = std::min(tile_rows, rows - r);
      const Scalar* group = groups + r * depth;
      const auto run = [&](Scalar* to, index_t to_stride, bool add_to) {
        if (transposed)
          tile_product<true>(count, stride, depth, group, tile_rows, panel, stride, to, to_stride, add_to);
        else
          tile_product<false>(count, stride, depth, group, depth, panel, stride, to, to_stride, add_to);
      };
      if (some == stride) {
        run(c + r * c_stride + j, c_stride, add);
        continue;
      }
      // The last columns do not fill a register: they go through memory of their own.
      Scalar edge[tile_rows * across];
      run(edge, across, false);
      for (index_t i = 0; i < count; ++i)
        for (index_t e = 0; e < some; ++e) {
          Scalar& to = c[(r + i) * c_stride + j + e];
          to = add ? to + edge[i * across + e] : edge[i * across + e];
        }
    }
    panel += stride * depth;
  }
}

/// c = a b, or c += a b, on one thread; c [m, n] row-major, depth k. `packing`: this thread's `packing_elements`.
/// Every element is added up in rising k, so its bits do not depend on m, n or its place. Left and Right are `factor`
/// or what else has `from`, and pack_groups or pack_panels.
template <class Scalar, class Left, class Right>
void packed_product(index_t m, index_t n, index_t k, const Left& a, const Right& b, bool add, Scalar* c,
                    index_t c_stride, Scalar* packing) {
  for (index_t r = 0; k == 0 && !add && r < m; ++r) std::fill_n(c + r * c_stride, n, Scalar{0});
  Scalar* groups = packing + packed_depth * packed_cols;
  for (index_t j = 0; j < n; j += packed_cols)
    for (index_t d = 0; d < k; d += packed_depth) {
      const index_t cols = std::min(packed_cols, n - j), depth = std::min(packed_depth, k - d);
      pack_panels(depth, cols, b.from(d, j), packing);
      for (index_t r = 0; r < m; r += packed_rows) {
        const index_t rows = std::min(packed_rows, m - r);
        pack_groups(depth, rows, a.from(r, d), groups);
        block_product(rows, cols, depth, groups, a.transposed, packing, add || d > 0, c + r * c_stride + j, c_stride);
      }
    }
}

#if !TRANSFUSION_USE_BLAS

/// As `packed_product`.
template <class Scalar>
void product(index_t m, index_t n, index_t k, factor<Scalar> a, factor<Scalar> b, bool add, Scalar* c, index_t c_stride,
             Scalar* packing) {
  packed_product(m, n, k, a, b, add, c, c_stride, packing);
}

#endif

}  // namespace transfusion::detail
