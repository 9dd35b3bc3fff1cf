// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <utility>

#include "transfusion/exec/cpu/attention_plan.hpp"
#include "transfusion/exec/cpu/tile_product.hpp"

namespace transfusion::detail {

/// What up to six neighbouring rows see of one key tile.
struct tile_window {
  key_interval rows[tile_rows][2];  ///< relative to the tile, empty intervals as {0, 0}
  index_t begin = attention_plan::tile_keys, end = 0;
  bool full = true;  ///< every row sees all of [begin, end)

  tile_window(const attention_plan& plan, const attention_plan::tile& tile, index_t first_row, index_t count) {
    for (index_t r = 0; r < count; ++r)
      for (index_t i = 0; i < 2; ++i) {
        key_interval& k = rows[r][i];
        if (i < plan.intervals()) k = plan.within(tile, first_row + r, i);
        if (k.begin >= k.end) k = {};
        if (k.begin == k.end) continue;
        begin = std::min<index_t>(begin, k.begin);
        end = std::max<index_t>(end, k.end);
      }
    for (index_t r = 0; r < count && full; ++r)
      full =
          (rows[r][0].begin == begin && rows[r][0].end == end) || (rows[r][1].begin == begin && rows[r][1].end == end);
  }
  bool empty() const { return begin >= end; }

  /// Writes `value` where row r does not see, over the columns [from, to) of its scores.
  template <class T>
  void mask(index_t r, T* scores, index_t from, index_t to, T value) const {
    key_interval a = rows[r][0], b = rows[r][1];
    if (a.begin == a.end || (b.begin != b.end && b.begin < a.begin)) std::swap(a, b);
    if (a.begin == a.end) return std::fill(scores + from, scores + to, value);
    std::fill(scores + from, scores + std::max<index_t>(from, a.begin), value);
    index_t seen = a.end;
    if (b.begin != b.end) {
      if (b.begin > seen) std::fill(scores + seen, scores + b.begin, value);
      seen = std::max<index_t>(seen, b.end);
    }
    if (seen < to) std::fill(scores + seen, scores + to, value);
  }
};

}  // namespace transfusion::detail
