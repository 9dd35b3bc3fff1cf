// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>

#include "transfusion/core/types.hpp"
#include "transfusion/core/view.hpp"

namespace transfusion {

/// The keys [begin, end) that a query row may see. Empty where begin >= end.
struct key_interval {
  token_t begin = 0;
  token_t end = 0;

  static constexpr key_interval of(index_t begin, index_t end) {
    return {static_cast<token_t>(begin), static_cast<token_t>(end)};
  }
  constexpr bool contains(index_t key) const { return begin <= key && key < end; }
  friend constexpr bool operator==(const key_interval&, const key_interval&) = default;
};

/// Two intervals in rising order, for masks with a hole.
struct two_key_intervals {
  key_interval first;
  key_interval second;
};

/// The lowered mask of a batch, in a policy's memory: [N, I] intervals, I = 1 or 2. Row n sees the union of its
/// intervals.
using key_intervals = view<const key_interval, 2>;

}  // namespace transfusion
