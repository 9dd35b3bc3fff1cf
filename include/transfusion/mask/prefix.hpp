// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/mask/concepts.hpp"
#include "transfusion/mask/interval_set.hpp"
#include "transfusion/mask/intra_image.hpp"

namespace transfusion::mask {

/// Prefix language model (Raffel et al. 2020, §3.2.1): the rows before `table.prefix_end(document)` see each other both
/// ways, beside what `Base` lets them see; the rows after them are those of `Base`. So with intra_image an image is
/// bidirectional inside wherever it stands, and whole even where the prefix ends within it.
template <attention_mask Base = intra_image>
struct prefix {
  static constexpr bool clean_copies = mask::clean_copies<Base>;
  static constexpr bool prefix_both_ways = true;

  /// Throws config_error where `Base` lets a row of the prefix see keys apart from the prefix, in more intervals than
  /// it has.
  auto keys(index_t q, const span_table& table) const {
    const auto seen = base.keys(q, table);
    const index_t end = table.prefix_end(table.document(q));
    if (q >= end) return seen;
    detail::interval_set all;
    all.add(key_interval::of(table.document_begin(q), end));
    all.add(seen);
    if (all.size() > intervals_per_row<Base>)
      throw config_error(detail::message("mask ", policy_name<prefix>(), ": row ", q, ": found ", all.size(),
                                         " intervals of keys, the prefix up to ", end, " among them, expected ",
                                         intervals_per_row<Base>, ", as ", policy_name<Base>(), " has"));
    if constexpr (intervals_per_row<Base> == 1)
      return all.one();
    else
      return all.two();
  }

  [[no_unique_address]] Base base;
};

}  // namespace transfusion::mask
