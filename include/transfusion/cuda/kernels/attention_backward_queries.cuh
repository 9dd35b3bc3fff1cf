// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "transfusion/core/bf16.hpp"
#include "transfusion/cuda/kernels/attention_delta.cuh"

namespace transfusion::cuda::backward {

/// How the tensor core kernels of attention backward cut their work: a warp owns 16 rows (of keys or of queries) and
/// walks over tiles of 64 rows of the other kind, `step` of them at a time, two stages of tiles in shared memory.
/// Narrow heads leave registers and shared memory for several blocks on a multiprocessor.
template <int Width, int Warps = (Width > 64 ? 8 : 4)>
struct tiling {
  static constexpr bool wide = Width > 64;
  static constexpr int warps = Warps, threads = warps * warp_threads, own_rows = 16 * warps;
  static constexpr int tile_rows = tile_keys, step = wide ? 64 : 32;
  static constexpr int partial_step = 32;  ///< in partial tiles: masks need registers, and half a tile may be unseen
  static constexpr int blocks = wide ? 1 : 3;  ///< on a multiprocessor at a time
};

/// Begins to copy the rows [first, first + Rows) of one head into shared memory; rows past the end become zeros.
template <int Width, int Rows, int Threads>
__device__ __forceinline__ void load_tile(bf16* to, view<const bf16, 2> x, index_t first, int column) {
  constexpr int chunks = Width / 8, rows_at_once = Threads / chunks;
  static_assert(Rows % rows_at_once == 0 && rows_at_once % 8 == 0);  // each thread keeps its chunk and its swizzle
  const int row = static_cast<int>(threadIdx.x) / chunks, chunk = static_cast<int>(threadIdx.x) % chunks;
  const bf16* from = x.row(first + row) + column + 8 * chunk;
  bf16* at = to + swizzled_offset<Width>(row, chunk);
#pragma unroll
  for (int r = 0; r < Rows; r += rows_at_once) {
    const bool exists = first + row + r < x.rows();
    copy_async_16(at + r * Width, exists ? from : x.data, exists);
    from += rows_at_once * x.cols();
  }
}

/// A swizzled tile at an offset into the block's shared memory, in elements, that is a multiple of eight rows.
struct shared_tile {
  bf16* memory;
  int offset;

  __device__ __forceinline__ bf16* data() const { return memory + offset; }
};

/// Where chunk `chunk` (even) + 0 or 1 stands, from where chunk 0 or 1 of the same row does: the swizzle is an
/// exclusive or too. Offsets hold the stage as well, or the compiler would keep one register a chunk for all stages.
__device__ __forceinline__ int chunks_on(int offset, int chunk) { return offset ^ chunk * 8; }

/// The left operand of a product: 16 rows in shared memory.
template <int Width>
struct shared_rows {
  shared_tile rows;

  __device__ __forceinline__ void fragment(std::uint32_t (&a)[4], int k) const {
    const int lane = static_cast<int>(threadIdx.x) % warp_threads;
    const int first = rows.offset + swizzled_offset<Width>(lane % 16, lane / 16);
    load_matrix_x4(a, rows.memory + chunks_on(first, 2 * k));
  }
};

/// The left operand of a product: 16 rows in a warp's registers.
template <int Width>
struct register_rows {
  std::uint32_t parts[Width / 16][4];

  __device__ __forceinline__ register_rows(view<const bf16, 2> x, index_t first, int column) {
    const int lane = static_cast<int>(threadIdx.x) % warp_threads;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const index_t row = first + lane / 4 + 8 * (i % 2);
#pragma unroll
      for (int k = 0; k < Width / 16; ++k) {
        const bf16* pair = x.row(row) + column + 16 * k + 8 * (i / 2) + 2 * (lane % 4);
        parts[k][i] = row < x.rows() ? *reinterpret_cast<const std::uint32_t*>(pair) : 0;
      }
    }
  }
  __device__ __forceinline__ void fragment(std::uint32_t (&a)[4], int k) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) a[i] = parts[k][i];
  }
};

/// s [16, Step] = own rows times the transposed rows [at, at + Step) of a tile. As everywhere here, a lane holds the
/// elements (lane / 4 + 8 (e / 2), 8 j + 2 (lane % 4) + e % 2) of such a matrix in s[j][e].
template <int Width, int Step, class Own>
__device__ __forceinline__ void scores(float (&s)[Step / 8][4], const Own& own, shared_tile tile, int at) {
  const int lane = static_cast<int>(threadIdx.x) % warp_threads;
  const int first = tile.offset + at * Width + swizzled_offset<Width>(lane % 8 + lane / 16 * 8, lane / 8 % 2);
#pragma unroll
  for (int j = 0; j < Step / 8; ++j)
    for (int e = 0; e < 4; ++e) s[j][e] = 0;
#pragma unroll
  for (int k = 0; k < Width / 16; ++k) {
    std::uint32_t a[4];
    own.fragment(a, k);
#pragma unroll
    for (int j = 0; j < Step / 8; j += 2) {
      std::uint32_t b[4];
      load_matrix_x4(b, tile.memory + chunks_on(first, 2 * k) + 8 * j * Width);
      mma_16x8x16(s[j], a, {b[0], b[1]});
      mma_16x8x16(s[j + 1], a, {b[2], b[3]});
    }
  }
}

/// Turns scores into P = 2^(scale s - lse2), 0 where `seen` has no bit; scale counts powers of e, lse2 powers of 2.
template <int Step, bool Partial, class Lse>
__device__ __forceinline__ void probabilities(float (&s)[Step / 8][4], float scale, std::uint32_t seen, Lse lse2) {
  const float scale2 = scale * 1.4426950408889634f;
#pragma unroll
  for (int j = 0; j < Step / 8; ++j)
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const float p = exp2_fast(fmaf(s[j][e], scale2, -lse2(j, e)));
      s[j][e] = !Partial || seen >> (4 * j + e) & 1 ? p : 0.f;
    }
}

/// Turns dP into dS = P (dP - delta), 0 where `seen` has no bit.
template <int Step, bool Partial, class Delta>
__device__ __forceinline__ void score_gradients(float (&dp)[Step / 8][4], const float (&p)[Step / 8][4],
                                                std::uint32_t seen, Delta delta) {
#pragma unroll
  for (int j = 0; j < Step / 8; ++j)
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const float ds = p[j][e] * (dp[j][e] - delta(j, e));
      dp[j][e] = !Partial || seen >> (4 * j + e) & 1 ? ds : 0.f;
    }
}

/// Of the scores that each lane sees, the columns in which some row of the warp sees something: bits 4 j and 4 j + 1.
__device__ __forceinline__ std::uint32_t seen_columns(std::uint32_t seen) {
  seen = (seen | seen >> 2) & 0x33333333u;
  for (int step = 4; step < warp_threads; step *= 2) seen |= __shfl_xor_sync(full_warp, seen, step);
  return seen;
}

/// Two bf16 lanes of a register, kept where bits 0 and 1 say so.
__device__ __forceinline__ std::uint32_t kept_pair(std::uint32_t bits) {
  return (bits & 1 ? 0x0000ffffu : 0u) | (bits & 2 ? 0xffff0000u : 0u);
}

/// out [16, Width] += p [16, Step], rounded to bf16, times the rows [at, at + Step) of a tile. Rows that nobody sees
/// count as zeros: they may hold no numbers.
template <int Width, int Step, bool Partial>
__device__ __forceinline__ void accumulate(float (&out)[Width / 8][4], const float (&p)[Step / 8][4], shared_tile tile,
                                           int at, std::uint32_t columns) {
  const int lane = static_cast<int>(threadIdx.x) % warp_threads;
  const int first = tile.offset + at * Width + swizzled_offset<Width>(lane % 16, lane / 16);
#pragma unroll
  for (int k = 0; k < Step / 16; ++k) {
    const float(&left)[4] = p[2 * k];
    const float(&right)[4] = p[2 * k + 1];
    const std::uint32_t a[4] = {pack_bf16(left[0], left[1]), pack_bf16(left[2], left[3]), pack_bf16(right[0], right[1]),
                                pack_bf16(right[2], right[3])};
    const std::uint32_t keep[2] = {kept_pair(columns >> 8 * k), kept_pair(columns >> (8 * k + 4))};
#pragma unroll
    for (int j = 0; j < Width / 8; j += 2) {
      std::uint32_t b[4];
      load_matrix_x4_transposed(b, tile.memory + chunks_on(first, j) + 16 * k * Width);
#pragma unroll
      for (int i = 0; Partial && i < 4; ++i) b[i] &= keep[i % 2];
      mma_16x8x16(out[j], a, {b[0], b[1]});
      mma_16x8x16(out[j + 1], a, {b[2], b[3]});
    }
  }
}

/// Writes or adds factor * x [16, Width] to the rows from `first` on of one head, as far as there are such rows.
template <int Width>
__device__ __forceinline__ void write_gradient(const gradient_sink<bf16>& to, const float (&x)[Width / 8][4],
                                               float factor, index_t first, int column) {
  const int lane = static_cast<int>(threadIdx.x) % warp_threads;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const index_t row = first + lane / 4 + 8 * half;
    if (row >= to.into.rows()) continue;
    auto* pairs = reinterpret_cast<pack<bf16, 2>*>(to.into.row(row) + column + 2 * (lane % 4));
#pragma unroll
    for (int j = 0; j < Width / 8; ++j) {
      float low = factor * x[j][2 * half], high = factor * x[j][2 * half + 1];
      if (to.add) {
        const pack<bf16, 2> old = pairs[4 * j];
        low += float(old.v[0]);
        high += float(old.v[1]);
      }
      pairs[4 * j] = {bf16(low), bf16(high)};
    }
  }
}

/// Shared memory of queries_kernel: two stages of keys and values.
template <int Width>
struct query_block_memory {
  static constexpr int tile = tiling<Width>::tile_rows * Width;
  static constexpr std::size_t bytes = sizeof(bf16) * 4 * tile;

  bf16* base;

  __device__ shared_tile k(int stage) const { return {base, 2 * stage * tile}; }
  __device__ shared_tile v(int stage) const { return {base, (2 * stage + 1) * tile}; }

  /// Begins to load a key tile.
  __device__ __forceinline__ void load(int stage, const operands<bf16>& x, int key_tile, int column) const {
    using sizes = tiling<Width>;
    const index_t first = static_cast<index_t>(key_tile) * sizes::tile_rows;
    load_tile<Width, sizes::tile_rows, sizes::threads>(k(stage).data(), x.k, first, column);
    load_tile<Width, sizes::tile_rows, sizes::threads>(v(stage).data(), x.v, first, column);
    copy_async_commit();
  }
};

/// What a warp knows of its 16 query rows of one head.
template <int Width>
struct query_rows {
  register_rows<Width> q, d_o;
  float lse2[2], delta[2];  ///< of this lane's rows lane / 4 and lane / 4 + 8

  __device__ __forceinline__ query_rows(const operands<bf16>& x, index_t first, int head)
      : q(x.q, first, head * Width), d_o(x.d_o, first, head * Width) {
    for (int half = 0; half < 2; ++half) {
      const index_t row = first + static_cast<int>(threadIdx.x) % warp_threads / 4 + 8 * half;
      lse2[half] = x.lse2(head, row);
      delta[half] = x.delta(head, row);
    }
  }
};

/// Which of this lane's scores (16 queries from `query` by `Step` keys from `key`) are seen, a bit each.
template <int Step>
__device__ __forceinline__ std::uint32_t seen_scores_by_query(const operands<bf16>& x, index_t query, index_t key) {
  const int lane = static_cast<int>(threadIdx.x) % warp_threads, column = 2 * (lane % 4);
  std::uint32_t seen = 0;
  for (int half = 0; half < 2; ++half) {
    const std::uint64_t keys = x.keys_of(query + lane / 4 + 8 * half).seen(static_cast<token_t>(key)) >> column;
    for (int j = 0; j < Step / 8; ++j) seen |= static_cast<std::uint32_t>(keys >> 8 * j & 3) << (4 * j + 2 * half);
  }
  return seen;
}

/// The part of dq of a warp's 16 query rows that comes from `Step` keys of a tile, from its row `at` on.
template <int Width, int Step, bool Partial>
__device__ __forceinline__ void query_gradients(float (&dq)[Width / 8][4], const query_rows<Width>& rows, float scale,
                                                shared_tile k, shared_tile v, int at, std::uint32_t seen) {
  float p[Step / 8][4], ds[Step / 8][4];
  scores<Width, Step>(p, rows.q, k, at);
  probabilities<Step, Partial>(p, scale, seen, [&](int, int e) { return rows.lse2[e / 2]; });
  scores<Width, Step>(ds, rows.d_o, v, at);
  score_gradients<Step, Partial>(ds, p, seen, [&](int, int e) { return rows.delta[e / 2]; });
  accumulate<Width, Step, Partial>(dq, ds, k, at, Partial ? seen_columns(seen) : 0);
}

/// Which key tiles the block walks through, and what the rows of one warp see.
struct query_plan {
  tile_list tiles;
  row_group group;
};

/// dQ = scale dS K: one block a (query block, head), 16 rows a warp, which keep q, dO and dq in registers. Grid: query
/// blocks * H, the last rows first: under causal masks they see most.
template <int Width>
__global__ __launch_bounds__(tiling<Width>::threads, tiling<Width>::blocks) void queries_kernel(operands<bf16> x) {
  using sizes = tiling<Width>;
  __shared__ query_plan plans[sizes::warps];  // not in registers: they are full
  const int head = static_cast<int>(blockIdx.x) % x.heads, column = head / x.group * Width;
  const index_t first = static_cast<index_t>((gridDim.x - 1 - blockIdx.x) / x.heads) * sizes::own_rows;
  const int warp = static_cast<int>(threadIdx.x) / warp_threads;
  const index_t query = first + 16 * warp;
  const query_block_memory<Width> memory{dynamic_shared<bf16>()};
  const query_plan plan = {tile_list::of(group_of_rows(x, first, sizes::own_rows)), group_of_rows(x, query, 16)};
  if (threadIdx.x % warp_threads == 0) plans[warp] = plan;
  __syncwarp();
  const tile_list& tiles = plans[warp].tiles;
  if (tiles.size() > 0) memory.load(0, x, tiles.tile(0), column);
  const query_rows<Width> rows(x, query, head);
  float dq[Width / 8][4] = {};

  for (int i = 0; i < tiles.size(); ++i) {
    copy_async_wait<0>();
    __syncthreads();  // this stage is there for all, and nobody reads the other one any more
    if (i + 1 < tiles.size()) memory.load((i + 1) % 2, x, tiles.tile(i + 1), column);
    const int tile = tiles.tile(i);
    const shared_tile k = memory.k(i % 2), v = memory.v(i % 2);
    const tile_kind kind = plans[warp].group.kind_of_tile(tile);
    if (kind == tile_kind::full) {
#pragma unroll 1
      for (int at = 0; at < sizes::tile_rows; at += sizes::step)
        query_gradients<Width, sizes::step, false>(dq, rows, x.scale, k, v, at, 0);
    } else if (kind == tile_kind::partial) {
#pragma unroll 1
      for (int at = 0; at < sizes::tile_rows; at += sizes::partial_step) {
        const index_t key = static_cast<index_t>(tile) * sizes::tile_rows + at;
        const std::uint32_t seen = seen_scores_by_query<sizes::partial_step>(x, query, key);
        if (__ballot_sync(full_warp, seen != 0))
          query_gradients<Width, sizes::partial_step, true>(dq, rows, x.scale, k, v, at, seen);
      }
    }
  }
  write_gradient<Width>(x.dq, dq, x.scale, query, head * Width);
}

}  // namespace transfusion::cuda::backward
