// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "transfusion/core/bf16.hpp"
#include "transfusion/core/interval.hpp"
#include "transfusion/cuda/device.cuh"
#include "transfusion/cuda/ptx.cuh"
#include "transfusion/cuda/tiles.cuh"

namespace transfusion::cuda::forward {

inline constexpr int warps = 4, threads = warps * warp_threads;

/// How many keys of a tile a warp works on at once: as many as its registers hold the scores of, beside the output.
template <int Width>
inline constexpr int keys_at_once = Width == 128 ? 32 : tile_keys;

/// Operands of attention on tensor cores. q, o: [N, H*C]; k, v: [K, G*C]; keys: [N, I]; lse: [N, H] or null.
struct operands {
  bf16* o = nullptr;
  float* lse = nullptr;
  const bf16 *q = nullptr, *k = nullptr, *v = nullptr;
  const key_interval* keys = nullptr;
  index_t rows = 0, key_rows = 0;
  int intervals = 1, heads = 1, kv_heads = 1;
  /// Of the scores, times log2(e); above zero.
  float scale = 1;
  /// Into how many the tiles of a block are cut, and for each part [N, H, C] sums and [N, H] statistics.
  int parts = 1;
  float *part_o = nullptr, *part_top = nullptr, *part_sum = nullptr;
};

/// The shared memory of a block of 4 warps with WarpRows query rows each.
template <int Width, int WarpRows>
struct block_memory {
  static constexpr int rows = warps * WarpRows;
  alignas(128) bf16 queries[rows * Width];
  alignas(128) bf16 keys[2][tile_keys * Width];
  alignas(128) bf16 values[2][tile_keys * Width];
  row_keys masks[rows];
  row_group warp_groups[warps], group;
  // Read where they are needed, since registers are what this kernel is short of:
  tile_list list;      ///< of what the block sees
  int column, stride;  ///< of the block's key head, and of the keys
};

/// The running largest score and sum of exponentials of the rows that a lane holds a part of: rows lane / 4 and
/// lane / 4 + 8 of every 16. A sum is this lane's own share of the row's.
template <int Tiles>
struct softmax_rows {
  float top[Tiles][2], sum[Tiles][2];
};

/// Begins to copy Rows rows of one head into a swizzled tile; zeros where !valid(row).
template <int Width, int Rows, class Valid>
__device__ __forceinline__ void load_tile(bf16* tile, const bf16* from, index_t stride, Valid valid) {
  constexpr int chunks = Width / 8, step = threads / chunks;
  static_assert(step % 8 == 0 && Rows % step == 0);  // so that a thread's chunks lie a constant distance apart
  const int row = static_cast<int>(threadIdx.x) / chunks, chunk = static_cast<int>(threadIdx.x) % chunks;
  bf16* to = tile + swizzled_offset<Width>(row, chunk);
  from += row * stride + chunk * 8;
#pragma unroll
  for (int i = 0; i < Rows; i += step, from += step * stride) copy_async_16(to + i * Width, from, valid(row + i));
}

/// s = q k^T of a warp's rows and Pieces times eight keys.
template <int Width, int Tiles, int Pieces>
__device__ __forceinline__ void scores(float (&s)[Tiles][Pieces][4], const bf16* queries, const bf16* keys, int lane) {
  const int query = swizzled_offset<Width>(lane % 16, lane / 16);
  const int key = swizzled_offset<Width>(lane % 8 + lane / 16 * 8, lane / 8 % 2);
#pragma unroll
  for (int m = 0; m < Tiles; ++m)
#pragma unroll
    for (int n = 0; n < Pieces; ++n) s[m][n][0] = s[m][n][1] = s[m][n][2] = s[m][n][3] = 0;
#pragma unroll
  for (int step = 0; step < Width / 16; ++step) {
    std::uint32_t a[Tiles][4];
#pragma unroll
    for (int m = 0; m < Tiles; ++m) load_matrix_x4(a[m], queries + m * 16 * Width + swizzled_further(query, step * 2));
#pragma unroll
    for (int n = 0; n < Pieces; n += 2) {
      std::uint32_t b[4];
      load_matrix_x4(b, keys + n * 8 * Width + swizzled_further(key, step * 2));
      const std::uint32_t b0[2] = {b[0], b[1]}, b1[2] = {b[2], b[3]};
#pragma unroll
      for (int m = 0; m < Tiles; ++m) {
        mma_16x8x16(s[m][n], a[m], b0);
        mma_16x8x16(s[m][n + 1], a[m], b1);
      }
    }
  }
}

/// Scores of keys that a row does not see become -infinity.
template <int Tiles, int Pieces>
__device__ __forceinline__ void hide(float (&s)[Tiles][Pieces][4], const row_keys* rows, token_t first_key, int lane) {
#pragma unroll
  for (int m = 0; m < Tiles; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const std::uint64_t seen = rows[m * 16 + half * 8 + lane / 4].seen(first_key) >> lane % 4 * 2;
#pragma unroll
      for (int n = 0; n < Pieces; ++n)
#pragma unroll
        for (int j = 0; j < 2; ++j)
          if ((seen >> (n * 8 + j) & 1) == 0) s[m][n][half * 2 + j] = -INFINITY;
    }
}

/// The four lanes that share a row agree.
__device__ __forceinline__ float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(full_warp, x, 1));
  return fmaxf(x, __shfl_xor_sync(full_warp, x, 2));
}
__device__ __forceinline__ float quad_sum(float x) {
  x += __shfl_xor_sync(full_warp, x, 1);
  return x + __shfl_xor_sync(full_warp, x, 2);
}

/// p = exp(s - the row's largest score so far), rounded to bf16 and laid out as the left operand of products over 16
/// keys each; what was summed before is brought to that scale (Milakov & Gimelshein 2018). Where no row of the warp has
/// a new largest score that factor is 1 and is left out.
template <int Tiles, int Pieces, int Columns>
__device__ __forceinline__ void softmax_step(std::uint32_t (&p)[Tiles][Pieces / 2][4],
                                             const float (&s)[Tiles][Pieces][4], softmax_rows<Tiles>& rows,
                                             float (&o)[Tiles][Columns][4], float scale) {
  float shrink[Tiles][2];
  bool grown = false;
#pragma unroll
  for (int m = 0; m < Tiles; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float before = rows.top[m][half];
      float top = before, sum = 0;
#pragma unroll
      for (int n = 0; n < Pieces; ++n) top = fmaxf(top, fmaxf(s[m][n][half * 2], s[m][n][half * 2 + 1]));
      top = quad_max(top);
      shrink[m][half] = top > before ? exp2_fast((before - top) * scale) : 1.f;
      grown = grown || top > before;
      rows.top[m][half] = top;
      const float base = top == -INFINITY ? 0.f : top * scale;
#pragma unroll
      for (int n = 0; n < Pieces; ++n) {
        const float low = exp2_fast(fmaf(s[m][n][half * 2], scale, -base));
        const float high = exp2_fast(fmaf(s[m][n][half * 2 + 1], scale, -base));
        sum += low + high;
        p[m][n / 2][n % 2 * 2 + half] = pack_bf16(low, high);
      }
      rows.sum[m][half] = fmaf(rows.sum[m][half], shrink[m][half], sum);
    }
  if (__ballot_sync(full_warp, grown) == 0) return;
#pragma unroll
  for (int m = 0; m < Tiles; ++m)
#pragma unroll
    for (int n = 0; n < Columns; ++n)
#pragma unroll
      for (int j = 0; j < 4; ++j) o[m][n][j] *= shrink[m][j / 2];
}

/// o += p v
template <int Width, int Tiles, int Steps>
__device__ __forceinline__ void accumulate(float (&o)[Tiles][Width / 8][4], const std::uint32_t (&p)[Tiles][Steps][4],
                                           const bf16* values, int lane) {
  const int value = swizzled_offset<Width>(lane % 16, lane / 16);
#pragma unroll
  for (int step = 0; step < Steps; ++step)
#pragma unroll
    for (int n = 0; n < Width / 8; n += 2) {
      std::uint32_t b[4];
      load_matrix_x4_transposed(b, values + step * 16 * Width + swizzled_further(value, n));
      const std::uint32_t b0[2] = {b[0], b[1]}, b1[2] = {b[2], b[3]};
#pragma unroll
      for (int m = 0; m < Tiles; ++m) {
        mma_16x8x16(o[m][n], p[m][step], b0);
        mma_16x8x16(o[m][n + 1], p[m][step], b1);
      }
    }
}

/// Writes a warp's finished rows, by way of the shared memory of its own queries so that whole chunks go out.
template <int Width, int Tiles>
__device__ __forceinline__ void store_rows(const operands& p, float (&o)[Tiles][Width / 8][4],
                                           const softmax_rows<Tiles>& rows, bf16* staging, index_t first_row, int head,
                                           int lane) {
#pragma unroll
  for (int m = 0; m < Tiles; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float sum = quad_sum(rows.sum[m][half]), inverse = sum == 0 ? 0.f : 1 / sum;
      const int row = m * 16 + half * 8 + lane / 4;
#pragma unroll
      for (int n = 0; n < Width / 8; ++n)
        reinterpret_cast<std::uint32_t*>(staging + swizzled_offset<Width>(row, n))[lane % 4] =
            pack_bf16(o[m][n][half * 2] * inverse, o[m][n][half * 2 + 1] * inverse);
      if (p.lse != nullptr && lane % 4 == 0 && first_row + row < p.rows) {
        constexpr float ln2 = 0.693147180559945309f;
        const float top = rows.top[m][half] * p.scale * ln2;
        p.lse[(first_row + row) * p.heads + head] = sum == 0 ? -INFINITY : top + logf(sum);
      }
    }
  __syncwarp();
  using chunk_words = pack<std::uint32_t, 4>;
  constexpr int chunks = Width / 8;
  for (int i = lane; i < Tiles * 16 * chunks; i += warp_threads) {
    const int row = i / chunks, chunk = i % chunks;
    if (first_row + row >= p.rows) continue;
    bf16* to = p.o + ((first_row + row) * p.heads + head) * Width + chunk * 8;
    *reinterpret_cast<chunk_words*>(to) =
        *reinterpret_cast<const chunk_words*>(staging + swizzled_offset<Width>(row, chunk));
  }
}

/// Writes what a warp has of its rows from one part of the keys: sums as they are, the largest score in powers of two.
template <int Width, int Tiles>
__device__ __forceinline__ void store_part(const operands& p, const float (&o)[Tiles][Width / 8][4],
                                           const softmax_rows<Tiles>& rows, index_t first_row, int head, int part,
                                           int lane) {
#pragma unroll
  for (int m = 0; m < Tiles; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float sum = quad_sum(rows.sum[m][half]);
      const index_t row = first_row + m * 16 + half * 8 + lane / 4;
      if (row >= p.rows) continue;
      const index_t at = (part * p.rows + row) * p.heads + head;
#pragma unroll
      for (int n = 0; n < Width / 8; ++n)
        *reinterpret_cast<pack<float, 2>*>(p.part_o + at * Width + n * 8 +
                                           lane % 4 * 2) = {{o[m][n][half * 2], o[m][n][half * 2 + 1]}};
      if (lane % 4 != 0) continue;
      p.part_top[at] = rows.top[m][half] * p.scale;
      p.part_sum[at] = sum;
    }
}

/// Puts the intervals of the block's rows and what each warp and the block see into shared memory; ends in a barrier.
template <int Width, int WarpRows, class Shared>
__device__ __forceinline__ void read_masks(const operands& p, Shared& shared, index_t first_row, int warp, int lane) {
  row_group group = row_group::of_nobody();
  if (lane < WarpRows) {
    const int at = warp * WarpRows + lane;
    const bool there = first_row + at < p.rows;
    shared.masks[at] = row_keys::none();
    if (there) {
      shared.masks[at] = row_keys::of(p.keys + (first_row + at) * p.intervals, p.intervals, p.key_rows);
      group.add(shared.masks[at]);
    }
  }
  group = join_lanes(group);
  if (lane == 0) shared.warp_groups[warp] = group;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < warps; ++w) group.join(shared.warp_groups[w]);
    shared.group = group;
    shared.list = tile_list::of(group);
    shared.stride = p.kv_heads * Width;
    shared.column = static_cast<int>(blockIdx.x) % p.heads / (p.heads / p.kv_heads) * Width;
  }
  __syncthreads();
}

/// Which keys of the tile from `first` on any row of the block sees.
template <class Shared>
__device__ __forceinline__ std::uint64_t seen_by_block(const Shared& shared, token_t first) {
  const bool full = shared.group.kind(first, index_t{first} + tile_keys) == tile_kind::full;
  return full ? ~std::uint64_t{0} : seen_by_anyone(shared.masks, Shared::rows, first);
}

/// Begins to copy the first tile at or after `position` of the block's list of which a row sees a key; its position.
template <int Width, class Shared>
__device__ __forceinline__ int load_next(const operands& p, Shared& shared, int position, int end, int stage) {
  for (; position < end; ++position) {
    const token_t first = shared.list.tile(position) * tile_keys;
    const std::uint64_t seen = seen_by_block(shared, first);
    if (seen == 0) continue;
    const index_t stride = shared.stride, at = first * stride + shared.column;
    const auto valid = [&](int row) { return (seen >> row & 1) != 0; };
    load_tile<Width, tile_keys>(shared.keys[stage], p.k + at, stride, valid);
    load_tile<Width, tile_keys>(shared.values[stage], p.v + at, stride, valid);
    break;
  }
  copy_async_commit();
  return position;
}

/// FlashAttention-2 (Dao 2023, algorithm 1) over key intervals. One block works on 4 * WarpRows query rows of one head
/// and, where Split, on one part of the keys that they see. Heads run fastest over blockIdx.x and the last rows come
/// first: under a causal mask they see the most keys. Key tiles are copied one ahead; those that no row sees are not
/// touched, and keys that no row sees are never read (their values count as zero, whatever lies there).
template <int Width, int WarpRows, bool Split>
__global__ void __launch_bounds__(threads, 2) attention_kernel(operands p) {
  using shared_type = block_memory<Width, WarpRows>;
  constexpr int tiles = WarpRows / 16;
  shared_type& shared = *dynamic_shared<shared_type>();
  const int warp = static_cast<int>(threadIdx.x) / warp_threads, lane = static_cast<int>(threadIdx.x) % warp_threads;
  const int head = static_cast<int>(blockIdx.x) % p.heads, part = static_cast<int>(blockIdx.y);
  const index_t row_block = static_cast<int>(gridDim.x - 1 - blockIdx.x) / p.heads;
  const index_t first_row = row_block * shared_type::rows;
  const index_t stride = index_t{p.heads} * Width;

  load_tile<Width, shared_type::rows>(shared.queries, p.q + first_row * stride + head * Width, stride,
                                      [&](int row) { return first_row + row < p.rows; });
  read_masks<Width, WarpRows>(p, shared, first_row, warp, lane);
  const index_t listed = shared.list.size();
  const int end = static_cast<int>(Split ? listed * (part + 1) / p.parts : listed);

  bf16* queries = shared.queries + warp * WarpRows * Width;
  float o[tiles][Width / 8][4] = {};
  softmax_rows<tiles> rows;
#pragma unroll
  for (int m = 0; m < tiles; ++m) {
    rows.top[m][0] = rows.top[m][1] = -INFINITY;
    rows.sum[m][0] = rows.sum[m][1] = 0;
  }

  int next = load_next<Width>(p, shared, static_cast<int>(Split ? listed * part / p.parts : 0), end, 0);
  for (int stage = 0; next < end; stage ^= 1) {
    const token_t first_key = shared.list.tile(next) * tile_keys;
    copy_async_wait<0>();
    __syncthreads();  // this tile has come, and no warp still reads the other stage
    next = load_next<Width>(p, shared, next + 1, end, stage ^ 1);
    const tile_kind kind = shared.warp_groups[warp].kind(first_key, index_t{first_key} + tile_keys);
    if (kind == tile_kind::skip) continue;
#pragma unroll 1
    for (int at = 0; at < tile_keys; at += keys_at_once<Width>) {
      float s[tiles][keys_at_once<Width> / 8][4];
      std::uint32_t weights[tiles][keys_at_once<Width> / 16][4];
      scores<Width>(s, queries, shared.keys[stage] + at * Width, lane);
      if (kind == tile_kind::partial) hide(s, shared.masks + warp * WarpRows, first_key + at, lane);
      softmax_step(weights, s, rows, o, p.scale);
      accumulate<Width>(o, weights, shared.values[stage] + at * Width, lane);
    }
  }
  copy_async_wait<0>();
  __syncthreads();  // the queries of a block without tiles may still be on their way
  if constexpr (Split)
    store_part<Width>(p, o, rows, first_row + warp * WarpRows, head, part, lane);
  else
    store_rows<Width>(p, o, rows, queries, first_row + warp * WarpRows, head, lane);
}

}  // namespace transfusion::cuda::forward
