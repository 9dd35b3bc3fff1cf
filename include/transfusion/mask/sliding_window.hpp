// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/mask/concepts.hpp"
#include "transfusion/mask/interval_set.hpp"

namespace transfusion::mask {

/// What `Base` lets a row see, but nothing further back than `Width` rows (Beltagy et al. 2020, §3.1). They are counted
/// back from the row itself; for a row of an image from the image's first row, so an image stays whole; for a noised
/// copy from the first row of its clean one, where it is read.
template <attention_mask Base, index_t Width>
struct sliding_window {
  static_assert(Width >= 0, "a window reaches 0 or more rows back");
  static constexpr bool clean_copies = mask::clean_copies<Base>;
  static constexpr bool prefix_both_ways = mask::prefix_both_ways<Base>;

  auto keys(index_t q, const span_table& table) const {
    const index_t first = std::max(table.document_begin(q), origin(q, table) - Width);
    return detail::common_keys(key_interval::of(first, table.rows()), base.keys(q, table));
  }

  [[no_unique_address]] Base base;

 private:
  static index_t origin(index_t q, const span_table& table) {
    const span* s = table.span_of(q);
    if (s == nullptr) return q;
    return s->source < 0 ? s->begin : table.spans()[static_cast<std::size_t>(s->source)].begin;
  }
};

}  // namespace transfusion::mask
