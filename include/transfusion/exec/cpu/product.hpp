// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/core/types.hpp"
#include "transfusion/exec/cpu/eigen.hpp"

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
};

/// The largest packed panels of one product, in elements of depth and of rows or columns.
inline constexpr index_t packed_depth = 768;
inline constexpr index_t packed_extent = 512;
/// Elements of packing memory that each thread needs for `gemm`.
inline constexpr index_t packing_elements = 2 * packed_depth * packed_extent;

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

/// c += alpha a b on one thread; c [m, n] row-major, depth k.
template <class Scalar>
void add_product(index_t m, index_t n, index_t k, Scalar alpha, factor<Scalar> a, factor<Scalar> b, Scalar* c,
                 index_t c_stride, Scalar*) {
  // BLAS is column-major: it sees the transposes, and works out c^T = b^T a^T.
  const int rows = static_cast<int>(n), cols = static_cast<int>(m), depth = static_cast<int>(k);
  const int lda = static_cast<int>(a.stride), ldb = static_cast<int>(b.stride), ldc = static_cast<int>(c_stride);
  const Scalar one = 1;
  blas_gemm(b.transposed ? "T" : "N", a.transposed ? "T" : "N", &rows, &cols, &depth, &alpha, b.data, &ldb, a.data,
            &lda, &one, c, &ldc);
}

#else

/// Eigen's cache blocking over packing memory of ours, so that a product allocates nothing.
template <class Scalar>
struct packed_blocking : Eigen::internal::level3_blocking<Scalar, Scalar> {
  packed_blocking(Eigen::Index rows, Eigen::Index cols, Eigen::Index depth, Scalar* packing) {
    Eigen::Index kc = depth, mc = rows, nc = cols;
    Eigen::internal::computeProductBlockingSizes<Scalar, Scalar>(kc, mc, nc, Eigen::Index{1});
    this->m_kc = std::min<Eigen::Index>(kc, packed_depth);
    this->m_mc = std::min<Eigen::Index>(mc, packed_extent);
    this->m_nc = std::min<Eigen::Index>(nc, packed_extent);
    this->m_blockA = packing;
    this->m_blockB = packing + packed_depth * packed_extent;
  }
};

template <int LeftOrder, int RightOrder, class Scalar>
void eigen_product(index_t rows, index_t cols, index_t depth, Scalar alpha, const Scalar* left, index_t left_stride,
                   const Scalar* right, index_t right_stride, Scalar* c, index_t c_stride, Scalar* packing) {
  packed_blocking<Scalar> blocking(rows, cols, depth, packing);
  // The sequential kernel itself: Eigen's threads and temporaries stay out of it.
  Eigen::internal::general_matrix_matrix_product<Eigen::Index, Scalar, LeftOrder, false, Scalar, RightOrder, false,
                                                 Eigen::ColMajor, 1>::run(rows, cols, depth, left, left_stride, right,
                                                                          right_stride, c, 1, c_stride, alpha, blocking,
                                                                          nullptr);
}

/// c += alpha a b on one thread; c [m, n] row-major, depth k. `packing`: this thread's `packing_elements`.
template <class Scalar>
void add_product(index_t m, index_t n, index_t k, Scalar alpha, factor<Scalar> a, factor<Scalar> b, Scalar* c,
                 index_t c_stride, Scalar* packing) {
  if (m == 0 || n == 0 || k == 0) return;
  constexpr int col = Eigen::ColMajor, row = Eigen::RowMajor;
  // The kernel is column-major: it sees the transposes, and works out c^T = b^T a^T.
  const auto run = [&](auto product) {
    product(n, m, k, alpha, b.data, b.stride, a.data, a.stride, c, c_stride, packing);
  };
  if (b.transposed)
    a.transposed ? run(eigen_product<row, row, Scalar>) : run(eigen_product<row, col, Scalar>);
  else
    a.transposed ? run(eigen_product<col, row, Scalar>) : run(eigen_product<col, col, Scalar>);
}

#endif

/// c = a b (or c += a b), as `add_product`.
template <class Scalar>
void product(index_t m, index_t n, index_t k, factor<Scalar> a, factor<Scalar> b, bool add, Scalar* c, index_t c_stride,
             Scalar* packing) {
  for (index_t r = 0; !add && r < m; ++r) std::fill_n(c + r * c_stride, n, Scalar{0});
  add_product(m, n, k, Scalar{1}, a, b, c, c_stride, packing);
}

}  // namespace transfusion::detail
