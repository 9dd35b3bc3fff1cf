// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "transfusion/core/error.hpp"
#include "transfusion/cuda/context.cuh"
#include "transfusion/cuda/kernels/attention_forward.cuh"
#include "transfusion/cuda/kernels/attention_plain.cuh"
#include "transfusion/cuda/kernels/attention_split.cuh"
#include "transfusion/cuda/kernels/lanes.cuh"
#include "transfusion/cuda/launch.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

/// Whether bf16 attention of this shape runs on tensor cores. A largest score stays the largest only under a scale
/// above 0.
constexpr bool fits_tensor_cores(const attention_shape& s) {
  return (s.head_width == 32 || s.head_width == 64 || s.head_width == 128) && s.scale > 0;
}

template <int Width, int WarpRows, bool Split>
void launch_forward(detail::cuda_context& context, const forward::operands& p) {
  using shared_type = forward::block_memory<Width, WarpRows>;
  const dim3 grid(static_cast<unsigned>(ceil_div(p.rows, shared_type::rows) * p.heads), static_cast<unsigned>(p.parts));
  launch(context, forward::attention_kernel<Width, WarpRows, Split>, grid, dim3(forward::threads), sizeof(shared_type),
         p);
}

/// Wide blocks (32 rows a warp: each key fragment serves two products) where there are enough rows to keep the device
/// busy with them, narrow ones otherwise, cut over the keys where even those are too few.
template <int Width>
void attention_forward(detail::cuda_context& context, forward::operands p) {
  const index_t narrow = ceil_div(p.rows, 4 * 16) * p.heads, wide = ceil_div(p.rows, 4 * 32) * p.heads;
  p.parts = static_cast<int>(forward::key_parts(narrow, p.key_rows));
  if (p.parts > 1) {
    forward::place_parts(p, Width, static_cast<float*>(context.scratch(forward::part_bytes(p, Width))));
    launch_forward<Width, 16, true>(context, p);
    const dim3 grid(static_cast<unsigned>(ceil_div(p.rows * p.heads, forward::warps)));
    launch(context, forward::combine_kernel<Width>, grid, dim3(forward::threads), 0, p);
  } else if (wide >= forward::busy_blocks) {
    launch_forward<Width, 32, false>(context, p);
  } else {
    launch_forward<Width, 16, false>(context, p);
  }
}

template <class Scalar>
void attention_plain(detail::cuda_context& context, const plain_operands<Scalar>& p) {
  require<config_error>(p.width <= plain_most_width, "attention: head width: found ", p.width, ", at most ",
                        plain_most_width);
  const dim3 grid(static_cast<unsigned>(ceil_div(p.rows * p.heads, plain_warps)));
  launch(context, attention_plain_kernel<Scalar>, grid, dim3(plain_threads), 0, p);
}

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::attention(matrix o, real_matrix lse, const_matrix q, const_matrix k, const_matrix v,
                                  key_intervals keys, attention_shape shape) {
  const int intervals = static_cast<int>(keys.cols()), width = static_cast<int>(shape.head_width);
  const int heads = static_cast<int>(shape.heads), kv_heads = static_cast<int>(shape.kv_heads);
  if constexpr (std::is_same_v<Scalar, bf16>)
    if (cuda::fits_tensor_cores(shape) && cuda::packs_fit<8>(o.data, q.data, k.data, v.data)) {
      constexpr double log2_e = 1.44269504088896340736;
      cuda::forward::operands p = {.o = o.data, .lse = lse.data, .q = q.data, .k = k.data, .v = v.data};
      p.keys = keys.data;
      p.intervals = intervals;
      p.rows = q.rows(), p.key_rows = k.rows();
      p.heads = heads, p.kv_heads = kv_heads;
      p.scale = static_cast<float>(shape.scale * log2_e);
      if (width == 32) return cuda::attention_forward<32>(*context_, p);
      if (width == 64) return cuda::attention_forward<64>(*context_, p);
      return cuda::attention_forward<128>(*context_, p);
    }
  cuda::attention_plain<Scalar>(*context_, {o.data, lse.data, q.data, k.data, v.data, keys.data, q.rows(), k.rows(),
                                            intervals, heads, kv_heads, width, static_cast<float>(shape.scale)});
}

}  // namespace transfusion
