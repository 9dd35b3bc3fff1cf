// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <utility>

#include "transfusion/core/interval.hpp"
#include "transfusion/exec/cpu/team.hpp"

namespace transfusion::detail {

/// How attention over key intervals is cut: the keys that anyone sees fall into segments (overlapping intervals
/// joined), segments into tiles, and the query rows into blocks that look at the same one or two segments. A document
/// is a segment. Everything is a function of the intervals; keys that no row sees are in no tile.
struct attention_plan {
  static constexpr index_t tile_keys = 64;
  static constexpr index_t block_rows = 96;

  struct segment {
    token_t begin = 0, end = 0;
    index_t first_tile = 0;
    index_t part = 0;  ///< segments that share a row are one part: nothing connects two parts
  };
  struct tile {
    index_t begin = 0, end = 0;
    index_t size() const { return end - begin; }
  };
  struct block {
    index_t begin = 0, end = 0;      ///< query rows
    index_t segments[2] = {-1, -1};  ///< of the first and the second interval; -1: none
    index_t tiles[2][2] = {};        ///< tile range of each interval; never overlapping
    index_t rows() const { return end - begin; }
  };
  struct part {
    index_t first_block = 0, blocks = 0, first_tile = 0, tiles = 0, rows = 0;
  };

  segment* segments = nullptr;
  tile* tiles = nullptr;
  block* blocks = nullptr;
  part* parts = nullptr;
  index_t* block_order = nullptr;  ///< blocks, part by part
  index_t* tile_order = nullptr;   ///< tiles, part by part
  index_t segment_count = 0, tile_count = 0, block_count = 0, part_count = 0;
  index_t most_part_rows = 0;

  attention_plan(cpu_team& team, key_intervals keys, index_t key_count) : keys_(keys) {
    const index_t rows = keys.rows(), most_segments = std::min(rows * keys.cols(), key_count);
    const index_t most_tiles = most_segments + key_count / tile_keys + 1;
    segments = team.reserve<segment>(scratch::plan_segments, most_segments + 1);
    tiles = team.reserve<tile>(scratch::plan_tiles, most_tiles);
    blocks = team.reserve<block>(scratch::plan_blocks, rows);
    parts = team.reserve<part>(scratch::plan_parts, most_segments + 1);
    block_order = team.reserve<index_t>(scratch::plan_order, rows + most_tiles);
    tile_order = block_order + rows;
    reach_ = team.reserve<token_t>(scratch::plan_reach, key_count);
    find_segments(key_count);
    cut_rows();
    join_parts();
  }

  /// The keys of tile t that row n sees through its interval i, relative to the tile; empty where begin >= end.
  key_interval within(const tile& t, index_t n, index_t i) const {
    const key_interval keys = keys_(n, i);
    return key_interval::of(std::max<index_t>(keys.begin, t.begin) - t.begin,
                            std::min<index_t>(keys.end, t.end) - t.begin);
  }
  index_t intervals() const { return keys_.cols(); }

 private:
  static bool empty(key_interval k) { return k.begin >= k.end; }

  /// Joins overlapping intervals; afterwards reach_[begin of an interval] is the number of its segment.
  void find_segments(index_t key_count) {
    std::fill_n(reach_, key_count, token_t{0});
    for (index_t i = 0; i < keys_.size(); ++i)
      if (const key_interval k = keys_.data[i]; !empty(k)) reach_[k.begin] = std::max(reach_[k.begin], k.end);
    token_t end = 0;
    for (token_t key = 0; key < static_cast<token_t>(key_count); ++key) {
      if (reach_[key] == 0) continue;
      if (key >= end) segments[segment_count++] = {key, key, 0, 0};
      end = std::max(end, reach_[key]);
      segments[segment_count - 1].end = end;
      reach_[key] = static_cast<token_t>(segment_count - 1);
    }
    for (index_t s = 0; s < segment_count; ++s) {
      segments[s].first_tile = tile_count;
      for (index_t key = segments[s].begin; key < segments[s].end; key += tile_keys)
        tiles[tile_count++] = {key, std::min<index_t>(key + tile_keys, segments[s].end)};
    }
  }

  index_t segment_of(key_interval k) const { return empty(k) ? -1 : reach_[k.begin]; }
  index_t tile_of(index_t s, index_t key) const {
    return segments[s].first_tile + (key - segments[s].begin) / tile_keys;
  }

  /// A new block wherever the segments change, and at the most every `block_rows` rows.
  void cut_rows() {
    for (index_t n = 0; n < keys_.rows(); ++n) {
      const index_t seen[2] = {segment_of(keys_(n, 0)), keys_.cols() == 2 ? segment_of(keys_(n, 1)) : -1};
      bool fits = block_count > 0 && blocks[block_count - 1].rows() < block_rows;
      for (int i = 0; fits && i < 2; ++i) {
        const index_t has = blocks[block_count - 1].segments[i];
        fits = seen[i] < 0 || has < 0 || has == seen[i];
      }
      if (!fits) blocks[block_count++] = {n, n, {-1, -1}, {}};
      block& b = blocks[block_count - 1];
      b.end = n + 1;
      for (int i = 0; i < 2; ++i) {
        if (seen[i] < 0) continue;
        const key_interval k = keys_(n, i);
        const index_t low = tile_of(seen[i], k.begin), high = tile_of(seen[i], k.end - 1) + 1;
        const bool first = b.segments[i] < 0;
        b.segments[i] = seen[i];
        b.tiles[i][0] = first ? low : std::min(b.tiles[i][0], low);
        b.tiles[i][1] = first ? high : std::max(b.tiles[i][1], high);
      }
    }
    for (index_t b = 0; b < block_count; ++b) separate(blocks[b]);
  }
  /// Two tile ranges that meet become one: a tile is worked on once.
  static void separate(block& b) {
    auto& [first, second] = b.tiles;
    if (first[0] >= first[1] || second[0] >= second[1] || first[1] <= second[0] || second[1] <= first[0]) return;
    first[0] = std::min(first[0], second[0]);
    first[1] = std::max(first[1], second[1]);
    second[0] = second[1] = 0;
  }

  index_t root(index_t s) {
    while (segments[s].part != s) s = segments[s].part = segments[segments[s].part].part;
    return s;
  }
  /// Groups blocks and tiles by part, in rising order within one.
  void join_parts() {
    for (index_t s = 0; s < segment_count; ++s) segments[s].part = s;
    for (index_t b = 0; b < block_count; ++b)
      if (const auto& [one, two] = blocks[b].segments; one >= 0 && two >= 0)
        segments[std::max(root(one), root(two))].part = std::min(root(one), root(two));
    // A root comes before all that hang on it, so it is numbered by the time that they ask.
    for (index_t s = 0; s < segment_count; ++s) {
      const index_t up = segments[s].part;
      if (up == s) parts[part_count++] = {};
      segments[s].part = up == s ? -part_count : segments[up].part;
    }
    for (index_t s = 0; s < segment_count; ++s) segments[s].part = -segments[s].part - 1;
    for (index_t s = 0; s < segment_count; ++s) parts[segments[s].part].tiles += tiles_in(s);
    for (index_t b = 0; b < block_count; ++b)
      if (const index_t p = part_of(blocks[b]); p >= 0) {
        ++parts[p].blocks;
        parts[p].rows += blocks[b].rows();
      }
    index_t next_block = 0, next_tile = 0;
    for (index_t p = 0; p < part_count; ++p) {
      most_part_rows = std::max(most_part_rows, parts[p].rows);
      parts[p].first_block = std::exchange(next_block, next_block + parts[p].blocks);
      parts[p].first_tile = std::exchange(next_tile, next_tile + parts[p].tiles);
      parts[p].blocks = parts[p].tiles = 0;
    }
    for (index_t s = 0; s < segment_count; ++s)
      for (index_t t = 0; t < tiles_in(s); ++t) {
        part& p = parts[segments[s].part];
        tile_order[p.first_tile + p.tiles++] = segments[s].first_tile + t;
      }
    for (index_t b = 0; b < block_count; ++b)
      if (const index_t i = part_of(blocks[b]); i >= 0) block_order[parts[i].first_block + parts[i].blocks++] = b;
  }
  index_t tiles_in(index_t s) const { return (segments[s].end - segments[s].begin + tile_keys - 1) / tile_keys; }
  index_t part_of(const block& b) const {
    const index_t s = b.segments[0] >= 0 ? b.segments[0] : b.segments[1];
    return s < 0 ? -1 : segments[s].part;
  }

  key_intervals keys_;
  token_t* reach_ = nullptr;
};

}  // namespace transfusion::detail
