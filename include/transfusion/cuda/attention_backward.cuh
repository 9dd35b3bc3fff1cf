// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "transfusion/core/error.hpp"
#include "transfusion/cuda/context.cuh"
#include "transfusion/cuda/kernels/attention_backward_keys.cuh"
#include "transfusion/cuda/kernels/attention_backward_plain.cuh"
#include "transfusion/cuda/kernels/lanes.cuh"
#include "transfusion/cuda/launch.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion::cuda {

namespace backward {

constexpr index_t threads = 256, warps = threads / warp_threads;

/// The grid in which each warp of a block has one of `items`.
inline dim3 warp_grid(index_t items) { return dim3(static_cast<unsigned>(ceil_div(items, warps))); }

/// Lays lse2, delta and the groups of query tiles out in scratch memory, and computes the first two.
template <class Context, class T>
void prepare(Context& c, operands<T>& x, index_t query_tiles) {
  constexpr index_t padding = tiling<128>::own_rows;
  static_assert(padding % tiling<32>::own_rows == 0 && padding % tiling<64>::own_rows == 0);
  const index_t padded = ceil_div(x.q.rows(), padding) * padding, floats = x.heads * padded;
  auto* base = static_cast<float*>(c.scratch(static_cast<std::size_t>(floats) * 2 * sizeof(float) +
                                             static_cast<std::size_t>(query_tiles) * sizeof(row_group)));
  x.lse2 = {base, x.heads, padded};
  x.delta = {base + floats, x.heads, padded};
  x.groups = reinterpret_cast<row_group*>(base + 2 * floats);
  const auto kernel = x.head_width % 128 == 0  ? delta_kernel<T, 4>
                      : x.head_width % 64 == 0 ? delta_kernel<T, 2>
                                               : delta_kernel<T, 1>;
  launch(c, kernel, warp_grid(floats), dim3(threads), 0, x);
}

/// The grid in which each block has `own_rows` rows of one of the heads.
inline dim3 block_grid(index_t rows, index_t own_rows, index_t heads) {
  return dim3(static_cast<unsigned>(ceil_div(rows, own_rows) * heads));
}

template <int Width, int Warps, class Context>
void keys_on_tensor_cores(Context& c, const operands<bf16>& x, int query_tiles) {
  using sizes = tiling<Width, Warps>;
  const auto kernel = !x.dk   ? keys_kernel<Width, Warps, false, true>
                      : !x.dv ? keys_kernel<Width, Warps, true, false>
                              : keys_kernel<Width, Warps, true, true>;
  launch(c, kernel, block_grid(x.k.rows(), sizes::own_rows, x.heads / x.group), dim3(sizes::threads),
         key_block_memory<Width, Warps>::bytes, x, query_tiles);
}

/// Heads of 128 columns want 129 KiB of shared memory for dk and dv. Some devices (8.6, 8.9, 12.0) have 99 for a block:
/// with half as many keys in a block it is 97.
template <int Width, class Context>
void on_tensor_cores(Context& c, operands<bf16> x) {
  using sizes = tiling<Width>;
  const index_t tiles = ceil_div(x.q.rows(), sizes::tile_rows);
  prepare(c, x, tiles);
  if (x.dk || x.dv) {
    launch(c, query_groups_kernel<bf16, sizes::tile_rows>, warp_grid(tiles), dim3(threads), 0, x,
           static_cast<int>(tiles));
    if (key_block_memory<Width>::bytes <= static_cast<std::size_t>(c.shared_bytes))
      keys_on_tensor_cores<Width, sizes::warps>(c, x, static_cast<int>(tiles));
    else
      keys_on_tensor_cores<Width, 4>(c, x, static_cast<int>(tiles));
  }
  if (x.dq)
    launch(c, queries_kernel<Width>, block_grid(x.q.rows(), sizes::own_rows, x.heads), dim3(sizes::threads),
           query_block_memory<Width>::bytes, x);
}

template <class Context, class T>
void plainly(Context& c, operands<T> x) {
  require<config_error>(x.head_width <= widest_plain_head, "attention_backward: head width: found ", x.head_width,
                        ", at most ", widest_plain_head);
  prepare(c, x, 0);
  if (x.dk || x.dv) launch(c, plain_keys_kernel<T>, warp_grid(x.k.rows() * (x.heads / x.group)), dim3(threads), 0, x);
  if (x.dq) launch(c, plain_queries_kernel<T>, warp_grid(x.q.rows() * x.heads), dim3(threads), 0, x);
}

}  // namespace backward

/// The gradients of attention that are wanted, without stored probabilities and without atomics (Dao 2023, algorithm 2,
/// once over the keys and once over the queries). bf16 heads of 32, 64 and 128 columns run on tensor cores.
template <class Context, class T>
void attention_backward(Context& c, const backward::operands<T>& x) {
  if (!x.dq && !x.dk && !x.dv) return;
  require<config_error>(packs_fit<lanes_of<T>>(x.q.data, x.k.data, x.v.data, x.o.data, x.d_o.data, x.dq.into.data,
                                               x.dk.into.data, x.dv.into.data),
                        "attention_backward: found an operand that does not lie at a multiple of 16 bytes");
  if constexpr (std::is_same_v<T, bf16>) {
    if (x.head_width == 32) return backward::on_tensor_cores<32>(c, x);
    if (x.head_width == 64) return backward::on_tensor_cores<64>(c, x);
    if (x.head_width == 128) return backward::on_tensor_cores<128>(c, x);
  }
  backward::plainly(c, x);
}

}  // namespace transfusion::cuda

namespace transfusion {

template <class Scalar>
void cuda_exec<Scalar>::attention_backward(sink dq, sink dk, sink dv, const_matrix d_o, const_matrix o,
                                           const_real_matrix lse, const_matrix q, const_matrix k, const_matrix v,
                                           key_intervals keys, attention_shape shape) {
  cuda::backward::operands<Scalar> x{dq, dk, dv, d_o, o, q, k, v, lse, keys};
  x.heads = static_cast<int>(shape.heads);
  x.group = static_cast<int>(shape.heads / shape.kv_heads);
  x.head_width = static_cast<int>(shape.head_width);
  x.scale = static_cast<float>(shape.scale);
  cuda::attention_backward(*context_, x);
}

}  // namespace transfusion
