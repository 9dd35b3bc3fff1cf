// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/cuda/context.cuh"
#include "transfusion/cuda/device.cuh"
#include "transfusion/cuda/launch.cuh"

namespace transfusion::cuda {

inline constexpr int column_sum_lanes = 32, column_sum_slices = 8;

/// Rows that one block adds up, from the shape alone: 128, or more where that would give over 256 chunks.
constexpr index_t column_sum_chunk(index_t rows) { return std::max<index_t>(128, ceil_div(rows, 256)); }

/// partials[chunk, col] = sum of x's rows of that chunk: each slice adds every eighth row, then the slices in order.
template <class T>
__global__ void __launch_bounds__(column_sum_lanes* column_sum_slices)
    column_partials_kernel(float* partials, const T* x, index_t rows, index_t cols, index_t chunk) {
  __shared__ float sums[column_sum_slices][column_sum_lanes + 1];
  const index_t col = index_t{blockIdx.x} * column_sum_lanes + threadIdx.x;
  const index_t first = blockIdx.y * chunk, last = first + chunk < rows ? first + chunk : rows;
  float sum = 0;
  if (col < cols)
    for (index_t n = first + threadIdx.y; n < last; n += column_sum_slices)
      sum += static_cast<float>(x[n * cols + col]);
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || col >= cols) return;
  for (int s = 1; s < column_sum_slices; ++s) sum += sums[s][threadIdx.x];
  partials[blockIdx.y * cols + col] = sum;
}

/// out[col] += the partials of all chunks, in rising order.
template <class Real>
__global__ void add_partials_kernel(Real* out, const Real* partials, index_t chunks, index_t cols) {
  const index_t col = index_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (col >= cols) return;
  Real sum = 0;
  for (index_t i = 0; i < chunks; ++i) sum += partials[i * cols + col];
  out[col] += sum;
}

/// Floats of scratch that add_column_sums needs.
constexpr index_t column_sum_scratch(index_t rows, index_t cols) {
  return rows == 0 ? 0 : ceil_div(rows, column_sum_chunk(rows)) * cols;
}

/// out[cols] += the sum of x's rows. x: [rows, cols]; scratch: column_sum_scratch(rows, cols) floats.
template <class T>
void add_column_sums(detail::cuda_context& c, float* out, const T* x, index_t rows, index_t cols, float* scratch) {
  if (rows == 0 || cols == 0) return;
  const index_t chunk = column_sum_chunk(rows), chunks = ceil_div(rows, chunk);
  const dim3 grid(static_cast<unsigned>(ceil_div(cols, column_sum_lanes)), static_cast<unsigned>(chunks));
  launch(c, column_partials_kernel<T>, grid, dim3(column_sum_lanes, column_sum_slices), 0, scratch, x, rows, cols,
         chunk);
  launch(c, add_partials_kernel<float>, dim3(static_cast<unsigned>(ceil_div(cols, 128))), dim3(128), 0, out, scratch,
         chunks, cols);
}

}  // namespace transfusion::cuda
