// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/exec/cpu/lanes.hpp"

#ifdef __clang__
#define TRANSFUSION_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TRANSFUSION_UNROLL _Pragma("GCC unroll 16")
#endif

// Products of small matrices that lie in the first cache, for attention: no packing, no blocking.
namespace transfusion::detail {

/// Result rows of one register tile, and result registers across: the accumulators fill the register file.
inline constexpr index_t tile_rows = 6;
template <class T>
inline constexpr index_t tile_lanes = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 4 : 2;

/// c [M, N registers] = or += a b over `depth`; b and c row-major, a(r, k) row-major, or column-major where Transposed.
template <class T, int M, int N, bool Transposed>
void register_tile(index_t depth, const T* a, index_t a_stride, const T* b, index_t b_stride, T* c, index_t c_stride,
                   bool add) {
  constexpr index_t width = lane_count<T>;
  lanes<T> sum[M][N];
  TRANSFUSION_UNROLL
  for (int r = 0; r < M; ++r) {
    TRANSFUSION_UNROLL
    for (int j = 0; j < N; ++j) sum[r][j] = all(T{0});
  }
  for (index_t k = 0; k < depth; ++k) {
    lanes<T> right[N];
    TRANSFUSION_UNROLL
    for (int j = 0; j < N; ++j) right[j] = load(b + k * b_stride + j * width);
    TRANSFUSION_UNROLL
    for (int r = 0; r < M; ++r) {
      const lanes<T> left = all(Transposed ? a[k * a_stride + r] : a[r * a_stride + k]);
      TRANSFUSION_UNROLL
      for (int j = 0; j < N; ++j) sum[r][j] = Eigen::internal::pmadd(left, right[j], sum[r][j]);
    }
  }
  TRANSFUSION_UNROLL
  for (int r = 0; r < M; ++r) {
    TRANSFUSION_UNROLL
    for (int j = 0; j < N; ++j) {
      T* at = c + r * c_stride + j * width;
      store<T>(at, add ? load<T>(at) + sum[r][j] : sum[r][j]);
    }
  }
}

/// As `register_tile` for 1 to 6 rows.
template <class T, int N, bool Transposed>
void register_rows(index_t rows, index_t depth, const T* a, index_t a_stride, const T* b, index_t b_stride, T* c,
                   index_t c_stride, bool add) {
  switch (rows) {
    case 1:
      return register_tile<T, 1, N, Transposed>(depth, a, a_stride, b, b_stride, c, c_stride, add);
    case 2:
      return register_tile<T, 2, N, Transposed>(depth, a, a_stride, b, b_stride, c, c_stride, add);
    case 3:
      return register_tile<T, 3, N, Transposed>(depth, a, a_stride, b, b_stride, c, c_stride, add);
    case 4:
      return register_tile<T, 4, N, Transposed>(depth, a, a_stride, b, b_stride, c, c_stride, add);
    case 5:
      return register_tile<T, 5, N, Transposed>(depth, a, a_stride, b, b_stride, c, c_stride, add);
    default:
      return register_tile<T, 6, N, Transposed>(depth, a, a_stride, b, b_stride, c, c_stride, add);
  }
}

/// c [rows <= 6, cols] = or += a b; cols is a multiple of a register.
template <bool Transposed, class T>
void tile_product(index_t rows, index_t cols, index_t depth, const T* a, index_t a_stride, const T* b, index_t b_stride,
                  T* c, index_t c_stride, bool add) {
  constexpr index_t width = lane_count<T>, most = tile_lanes<T>;
  index_t j = 0;
  for (; j + most * width <= cols; j += most * width)
    register_rows<T, most, Transposed>(rows, depth, a, a_stride, b + j, b_stride, c + j, c_stride, add);
  if constexpr (most > 2)
    for (; j + 2 * width <= cols; j += 2 * width)
      register_rows<T, 2, Transposed>(rows, depth, a, a_stride, b + j, b_stride, c + j, c_stride, add);
  for (; j < cols; j += width)
    register_rows<T, 1, Transposed>(rows, depth, a, a_stride, b + j, b_stride, c + j, c_stride, add);
}

// g++: a vector type loses its alignment attribute as a template argument, which harms nothing here.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"

/// to [cols, to_stride] = the transpose of from [rows, cols]; columns of `to` from `rows` to the next whole register
/// are 0.
template <class T>
void transpose(index_t rows, index_t cols, const T* from, index_t from_stride, T* to, index_t to_stride) {
  constexpr index_t width = lane_count<T>;
  for (index_t r = 0; r < rows; r += width) {
    const index_t some = std::min(width, rows - r);
    index_t c = 0;
    for (; c + width <= cols; c += width) {
      Eigen::internal::PacketBlock<lanes<T>, static_cast<int>(width)> block;
      for (index_t i = 0; i < width; ++i)
        block.packet[i] = i < some ? load(from + (r + i) * from_stride + c) : all(T{0});
      Eigen::internal::ptranspose(block);
      for (index_t i = 0; i < width; ++i) store(to + (c + i) * to_stride + r, block.packet[i]);
    }
    for (; c < cols; ++c)
      for (index_t i = 0; i < width; ++i) to[c * to_stride + r + i] = i < some ? from[(r + i) * from_stride + c] : T{0};
  }
}

#pragma GCC diagnostic pop

/// to [rows, padded(cols)] = scale * from [rows, cols], zero beyond cols.
template <class T>
void pack_rows(index_t rows, index_t cols, const T* from, index_t from_stride, T* to, T scale) {
  const index_t to_stride = padded<T>(cols);
  const auto by = all(scale);
  for (index_t r = 0; r < rows; ++r) {
    transform(
        cols, to + r * to_stride, [&](auto v) { return v * by; }, from + r * from_stride);
    std::fill(to + r * to_stride + cols, to + (r + 1) * to_stride, T{0});
  }
}

}  // namespace transfusion::detail
