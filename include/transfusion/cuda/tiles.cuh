// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>

#include "transfusion/core/host_device.hpp"
#include "transfusion/core/interval.hpp"
#include "transfusion/cuda/device.cuh"

namespace transfusion::cuda {

/// Keys of one tile: as many as a word of visibility has bits. Tile t holds the keys [64 t, 64 t + 64).
inline constexpr int tile_keys = 64;

enum class tile_kind {
  skip,     ///< no row sees a key of it
  partial,  ///< some rows see some keys: each row's intervals decide
  full      ///< every row sees every key
};

/// What a group of rows sees through one interval a row: no key outside [any_begin, any_end), and every row sees all of
/// [all_begin, all_end). Either is empty where begin >= end.
struct key_bounds {
  token_t any_begin, any_end, all_begin, all_end;

  /// Of a group without rows.
  TRANSFUSION_HD static constexpr key_bounds of_nobody() {
    using limits = std::numeric_limits<token_t>;
    return {limits::max(), limits::min(), limits::min(), limits::max()};
  }
  TRANSFUSION_HD constexpr void add(key_interval k) {
    const bool some = k.begin < k.end;
    join({some ? k.begin : any_begin, some ? k.end : any_end, k.begin, k.end});
  }
  TRANSFUSION_HD constexpr void join(const key_bounds& other) {
    any_begin = any_begin < other.any_begin ? any_begin : other.any_begin;
    any_end = any_end > other.any_end ? any_end : other.any_end;
    all_begin = all_begin > other.all_begin ? all_begin : other.all_begin;
    all_end = all_end < other.all_end ? all_end : other.all_end;
  }
  TRANSFUSION_HD constexpr bool anyone() const { return any_begin < any_end; }
  TRANSFUSION_HD constexpr bool meets(index_t begin, index_t end) const {
    return anyone() && any_begin < end && begin < any_end;
  }
  TRANSFUSION_HD constexpr bool covers(index_t begin, index_t end) const {
    return all_begin <= begin && end <= all_end;
  }
};

/// The two intervals of one row, the second empty where the mask has but one, cut to the keys [0, keys) that there are.
struct row_keys {
  key_interval interval[2];

  TRANSFUSION_HD static constexpr row_keys of(const key_interval* row, int intervals, index_t keys) {
    return {{cut(row[0], keys), intervals == 2 ? cut(row[1], keys) : key_interval{0, 0}}};
  }
  /// Of a row that is not there.
  TRANSFUSION_HD static constexpr row_keys none() { return {{{0, 0}, {0, 0}}}; }

  /// Bit j says whether the row sees key `first` + j; first >= 0.
  TRANSFUSION_HD constexpr std::uint64_t seen(token_t first) const {
    return bits(interval[0], first) | bits(interval[1], first);
  }

 private:
  TRANSFUSION_HD static constexpr key_interval cut(key_interval k, index_t keys) {
    return {k.begin > 0 ? k.begin : 0, k.end < keys ? k.end : static_cast<token_t>(keys)};
  }
  TRANSFUSION_HD static constexpr int within(token_t key) { return key < 0 ? 0 : key > tile_keys ? tile_keys : key; }
  TRANSFUSION_HD static constexpr std::uint64_t bits(key_interval k, token_t first) {
    const int begin = within(k.begin - first), end = within(k.end - first);
    return begin < end ? ~std::uint64_t{0} >> (tile_keys - (end - begin)) << begin : 0;
  }
};

/// What a group of rows sees through both of its intervals. `kind` may call partial what is skip or full (rows of one
/// group with different intervals hide gaps in the hull), never the other way round.
struct row_group {
  key_bounds bounds[2];

  TRANSFUSION_HD static constexpr row_group of_nobody() { return {{key_bounds::of_nobody(), key_bounds::of_nobody()}}; }
  TRANSFUSION_HD constexpr void add(const row_keys& row) {
    bounds[0].add(row.interval[0]);
    bounds[1].add(row.interval[1]);
  }
  TRANSFUSION_HD constexpr void join(const row_group& other) {
    bounds[0].join(other.bounds[0]);
    bounds[1].join(other.bounds[1]);
  }
  /// Of the keys [begin, end).
  TRANSFUSION_HD constexpr tile_kind kind(index_t begin, index_t end) const {
    if (!bounds[0].meets(begin, end) && !bounds[1].meets(begin, end)) return tile_kind::skip;
    return bounds[0].covers(begin, end) || bounds[1].covers(begin, end) ? tile_kind::full : tile_kind::partial;
  }
  TRANSFUSION_HD constexpr tile_kind kind_of_tile(index_t tile) const {
    return kind(tile * tile_keys, (tile + 1) * tile_keys);
  }
};

/// The key tiles that a group of rows may see, in rising order, each once: two ranges, so that a gap between the rows'
/// intervals is never walked through.
struct tile_list {
  int begin[2], end[2];

  TRANSFUSION_HD static constexpr tile_list of(const row_group& group) {
    tile_list list = {{0, 0}, {0, 0}};
    for (int i = 0; i < 2; ++i)
      if (const key_bounds& b = group.bounds[i]; b.anyone()) {
        list.begin[i] = b.any_begin / tile_keys;
        list.end[i] = (b.any_end - 1) / tile_keys + 1;
      }
    list.sort();
    return list;
  }
  TRANSFUSION_HD constexpr int size() const { return end[0] - begin[0] + end[1] - begin[1]; }
  TRANSFUSION_HD constexpr int tile(int i) const {
    const int first = end[0] - begin[0];
    return i < first ? begin[0] + i : begin[1] + i - first;
  }

 private:
  TRANSFUSION_HD constexpr void sort() {
    if (begin[1] == end[1]) return;
    if (begin[0] == end[0] || end[1] < begin[0]) {
      const int b = begin[0], e = end[0];
      begin[0] = begin[1], end[0] = end[1];
      begin[1] = b, end[1] = e;
    } else if (begin[1] <= end[0]) {
      begin[0] = begin[0] < begin[1] ? begin[0] : begin[1];
      end[0] = end[0] > end[1] ? end[0] : end[1];
      begin[1] = end[1] = 0;
    }
  }
};

/// Where 16-byte chunk `chunk` of row `row` stands in a shared tile of rows of `Width` bf16. Eight neighbouring rows of
/// one chunk, which is what one ldmatrix phase reads, and eight neighbouring chunks, which is what eight lanes write,
/// fall on eight different groups of four banks.
template <int Width>
TRANSFUSION_HD constexpr int swizzled_chunk(int row, int chunk) {
  static_assert(Width == 32 || Width % 64 == 0);
  return chunk ^ (Width == 32 ? row >> 1 & 3 : row & 7);
}

/// The element offset of that chunk from the tile's base.
template <int Width>
TRANSFUSION_HD constexpr int swizzled_offset(int row, int chunk) {
  return row * Width + swizzled_chunk<Width>(row, chunk) * 8;
}

/// From the offset of chunk 0 or 1 of a row to that of the chunk `further` after it, an even number: no more than an
/// exclusive or with one of four constants, so that the addresses of a whole row come from four registers.
TRANSFUSION_HD constexpr int swizzled_further(int offset, int further) {
  return (offset ^ further % 8 * 8) + further / 8 * 64;
}

/// Which of the keys `first` + j, j < 64, any of `count` rows sees; all 32 lanes of a warp call with the same
/// arguments.
__device__ __forceinline__ std::uint64_t seen_by_anyone(const row_keys* rows, int count, token_t first) {
  std::uint64_t seen = 0;
  for (int r = static_cast<int>(threadIdx.x) % warp_threads; r < count; r += warp_threads) seen |= rows[r].seen(first);
  for (int step = warp_threads / 2; step > 0; step /= 2) seen |= __shfl_xor_sync(full_warp, seen, step);
  return seen;
}

/// The union of the groups that the 32 lanes of a warp hold, in every lane.
__device__ __forceinline__ row_group join_lanes(row_group group) {
  for (int step = warp_threads / 2; step > 0; step /= 2) {
    row_group other;
    for (int i = 0; i < 2; ++i) {
      const key_bounds& b = group.bounds[i];
      other.bounds[i] = {__shfl_xor_sync(full_warp, b.any_begin, step), __shfl_xor_sync(full_warp, b.any_end, step),
                         __shfl_xor_sync(full_warp, b.all_begin, step), __shfl_xor_sync(full_warp, b.all_end, step)};
    }
    group.join(other);
  }
  return group;
}

}  // namespace transfusion::cuda
