// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/cuda/kernels/attention_backward_queries.cuh"

namespace transfusion::cuda::backward {

/// One block of query rows in shared memory, of one head.
struct query_stage {
  shared_tile q, d_o;
  float *lse2, *delta;
};

/// Shared memory of keys_kernel: the block's keys and values, and two stages of query rows.
template <int Width, int Warps = tiling<Width>::warps>
struct key_block_memory {
  using sizes = tiling<Width, Warps>;
  static constexpr int own = sizes::own_rows * Width, tile = sizes::tile_rows * Width;
  static constexpr std::size_t bytes =
      sizeof(bf16) * (2 * own + 4 * tile) + sizeof(float) * 4 * static_cast<std::size_t>(sizes::tile_rows);

  bf16* base;

  __device__ shared_tile k(int row) const { return {base, row * Width}; }
  __device__ shared_tile v(int row) const { return {base + own, row * Width}; }
  __device__ query_stage stage(int which) const {
    const int first = 2 * own + which * 2 * tile;
    float* rows = reinterpret_cast<float*>(base + 2 * own + 4 * tile) + which * 2 * sizes::tile_rows;
    return {{base, first}, {base, first + tile}, rows, rows + sizes::tile_rows};
  }
};

/// The query tiles that see a key of [begin, end), rising, once for each query head of the group. Warp-wide.
struct query_walk {
  const row_group* groups;
  int tiles, begin, end, heads;
  int tile = -1, head = 0;  ///< head within the group

  /// Goes to the next tile; false when there is none. The lanes look at 32 tiles at a time.
  __device__ bool next() {
    const int lane = static_cast<int>(threadIdx.x) % warp_threads;
    for (; head < heads; ++head, tile = -1)
      for (++tile; tile < tiles; tile += warp_threads) {
        const bool sees = tile + lane < tiles && groups[tile + lane].kind(begin, end) != tile_kind::skip;
        const unsigned seen = __ballot_sync(full_warp, sees);
        if (seen == 0) continue;
        tile += __ffs(static_cast<int>(seen)) - 1;
        return true;
      }
    return false;
  }
};

/// Begins to load a query tile.
template <int Width, int Warps>
__device__ __forceinline__ void load_queries(const query_stage& to, const operands<bf16>& x, int tile, int head) {
  using sizes = tiling<Width, Warps>;
  constexpr int chunks = sizes::tile_rows / 4;
  const index_t first = static_cast<index_t>(tile) * sizes::tile_rows;
  load_tile<Width, sizes::tile_rows, sizes::threads>(to.q.data(), x.q, first, head * Width);
  load_tile<Width, sizes::tile_rows, sizes::threads>(to.d_o.data(), x.d_o, first, head * Width);
  const int t = static_cast<int>(threadIdx.x);
  if (t < chunks) copy_async_16(to.lse2 + 4 * t, x.lse2.row(head) + first + 4 * t, true);
  if (t >= chunks && t < 2 * chunks)
    copy_async_16(to.delta + 4 * (t - chunks), x.delta.row(head) + first + 4 * (t - chunks), true);
  copy_async_commit();
}

/// Which of this lane's scores (16 keys from `key` by `Step` queries from `query`) are seen, a bit each.
template <int Step>
__device__ __forceinline__ std::uint32_t seen_scores_by_key(const operands<bf16>& x, index_t key, index_t query) {
  const int lane = static_cast<int>(threadIdx.x) % warp_threads, row = lane / 4, column = 2 * (lane % 4);
  std::uint32_t seen = 0;
#pragma unroll 1  // the gradients need the registers
  for (int j = 0; j < Step / 8; ++j)
    for (int e = 0; e < 2; ++e) {
      const auto keys =
          static_cast<std::uint32_t>(x.keys_of(query + 8 * j + column + e).seen(static_cast<token_t>(key)));
      seen |= (keys >> row & 1) << (4 * j + e) | (keys >> (row + 8) & 1) << (4 * j + e + 2);
    }
  return seen;
}

/// The part of dk and dv of a warp's 16 keys that comes from `Step` query rows of a stage, from its row `at` on.
template <int Width, int Step, bool Partial, bool WantsK, bool WantsV>
__device__ __forceinline__ void key_gradients(float (&dk)[Width / 8][4], float (&dv)[Width / 8][4],
                                              const operands<bf16>& x, const shared_rows<Width>& k,
                                              const shared_rows<Width>& v, const query_stage& queries, int at,
                                              std::uint32_t seen) {
  const int column = at + 2 * (static_cast<int>(threadIdx.x) % 4);
  const std::uint32_t columns = Partial ? seen_columns(seen) : 0;
  float p[Step / 8][4], ds[Step / 8][4];
  scores<Width, Step>(p, k, queries.q, at);
  probabilities<Step, Partial>(p, x.scale, seen, [&](int j, int e) { return queries.lse2[column + 8 * j + e % 2]; });
  if constexpr (WantsV) accumulate<Width, Step, Partial>(dv, p, queries.d_o, at, columns);
  if constexpr (!WantsK) return;
  scores<Width, Step>(ds, v, queries.d_o, at);
  score_gradients<Step, Partial>(ds, p, seen, [&](int j, int e) { return queries.delta[column + 8 * j + e % 2]; });
  accumulate<Width, Step, Partial>(dk, ds, queries.q, at, columns);
}

/// dK = scale dS^T Q and dV = P^T dO: one block a (key block, key head), 16 keys a warp. Everything that a warp makes
/// of its keys stays in its registers: the scores stand with a key in each row, so that P^T and dS^T are at once the
/// left operands of the second products. Grid: key blocks * G, the first keys first: under causal masks they are seen
/// most.
template <int Width, int Warps, bool WantsK, bool WantsV>
__global__ __launch_bounds__(tiling<Width, Warps>::threads,
                             tiling<Width, Warps>::blocks) void keys_kernel(operands<bf16> x, int query_tiles) {
  using sizes = tiling<Width, Warps>;
  const int kv_heads = x.heads / x.group, kv_head = static_cast<int>(blockIdx.x) % kv_heads;
  const int first = static_cast<int>(blockIdx.x) / kv_heads * sizes::own_rows;
  const int warp = static_cast<int>(threadIdx.x) / warp_threads, key = first + 16 * warp;
  const key_block_memory<Width, Warps> memory{dynamic_shared<bf16>()};
  const shared_rows<Width> k{memory.k(16 * warp)}, v{memory.v(16 * warp)};
  float dk[Width / 8][4] = {}, dv[Width / 8][4] = {};

  query_walk walk{x.groups, query_tiles, first, first + sizes::own_rows, x.group};
  bool more = walk.next();
  if (more) {
    load_tile<Width, sizes::own_rows, sizes::threads>(memory.k(0).data(), x.k, first, kv_head * Width);
    load_tile<Width, sizes::own_rows, sizes::threads>(memory.v(0).data(), x.v, first, kv_head * Width);
    load_queries<Width, Warps>(memory.stage(0), x, walk.tile, kv_head * x.group + walk.head);
  }
  for (int turn = 0; more; turn ^= 1) {
    const int tile = walk.tile;
    copy_async_wait<0>();
    __syncthreads();  // this stage is there for all, and nobody reads the other one any more
    more = walk.next();
    if (more) load_queries<Width, Warps>(memory.stage(turn ^ 1), x, walk.tile, kv_head * x.group + walk.head);
    const query_stage queries = memory.stage(turn);
    const tile_kind kind = x.groups[tile].kind(key, key + 16);
    if (kind == tile_kind::full) {
#pragma unroll 1
      for (int at = 0; at < sizes::tile_rows; at += sizes::step)
        key_gradients<Width, sizes::step, false, WantsK, WantsV>(dk, dv, x, k, v, queries, at, 0);
    } else if (kind == tile_kind::partial) {
#pragma unroll 1
      for (int at = 0; at < sizes::tile_rows; at += sizes::partial_step) {
        const index_t query = static_cast<index_t>(tile) * sizes::tile_rows + at;
        const std::uint32_t seen = seen_scores_by_key<sizes::partial_step>(x, key, query);
        if (__ballot_sync(full_warp, seen != 0))
          key_gradients<Width, sizes::partial_step, true, WantsK, WantsV>(dk, dv, x, k, v, queries, at, seen);
      }
    }
  }
  if (x.dk) write_gradient<Width>(x.dk, dk, x.scale, key, kv_head * Width);
  if (x.dv) write_gradient<Width>(x.dv, dv, 1.f, key, kv_head * Width);
}

}  // namespace transfusion::cuda::backward
