// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/cuda/context.cuh"
#include "transfusion/cuda/kernels/norm.cuh"
#include "transfusion/cuda/kernels/norm_backward.cuh"
#include "transfusion/cuda/launch.cuh"

namespace transfusion::cuda {

inline constexpr index_t widest_row_of_a_warp = 1024;  // where a row has to be read twice

/// One block for as many rows as fit in it, a row to `Threads` threads.
template <int Threads, class Operands>
void launch_by_rows(detail::cuda_context& c, void (*kernel)(Operands), const Operands& o) {
  constexpr int rows = norm_block / Threads;
  launch(c, kernel, dim3(static_cast<unsigned>(ceil_div(o.rows, rows))), dim3(Threads, rows), 0, o);
}

/// The forward kernel of a norm for its width: rows that fit the registers of a warp or a block, else read twice.
/// `Kernels` gives `packed<lanes, packs, threads>()` and `any<threads>()`.
template <class Kernels, int Lanes, class Operands>
void launch_norm(detail::cuda_context& c, bool packed, const Operands& o) {
  constexpr int warp = warp_threads, block = norm_block;
  const index_t packs = o.width / Lanes;
  if (!packed || o.width % Lanes != 0 || packs > 4 * block) {
    if (o.width <= widest_row_of_a_warp) return launch_by_rows<warp>(c, Kernels::template any<warp>(), o);
    return launch_by_rows<block>(c, Kernels::template any<block>(), o);
  }
  if (packs <= warp) return launch_by_rows<warp>(c, Kernels::template packed<Lanes, 1, warp>(), o);
  if (packs <= 2 * warp) return launch_by_rows<warp>(c, Kernels::template packed<Lanes, 2, warp>(), o);
  if (packs <= 4 * warp) return launch_by_rows<warp>(c, Kernels::template packed<Lanes, 4, warp>(), o);
  if (packs <= block) return launch_by_rows<block>(c, Kernels::template packed<Lanes, 1, block>(), o);
  if (packs <= 2 * block) return launch_by_rows<block>(c, Kernels::template packed<Lanes, 2, block>(), o);
  launch_by_rows<block>(c, Kernels::template packed<Lanes, 4, block>(), o);
}

/// Rows of one partial sum of dw, from the shape alone: fewer where they are wide, more where that would give over 1024
/// sums.
constexpr index_t norm_chunk(index_t rows, index_t width) {
  return std::max<index_t>(width > 1024 ? 16 : 32, ceil_div(rows, 1024));
}

template <int Threads, int Rows, class Operands>
void launch_by_chunks(detail::cuda_context& c, void (*kernel)(Operands), const Operands& o) {
  launch(c, kernel, dim3(static_cast<unsigned>(ceil_div(o.rows, o.chunk))), dim3(Threads, Rows), 0, o);
}

/// dw[width] += the sum of partial [chunks, width].
inline void add_norm_chunks(detail::cuda_context& c, float* dw, const float* partial, index_t chunks, index_t width) {
  const unsigned blocks = static_cast<unsigned>(ceil_div(width, warp_threads));
  launch(c, add_norm_chunks_kernel<float>, dim3(blocks), dim3(warp_threads, chunk_slices), 0, dw, partial, chunks,
         width);
}

}  // namespace transfusion::cuda
