// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <type_traits>

#include "transfusion/core/error.hpp"
#include "transfusion/core/interval.hpp"
#include "transfusion/core/policy_name.hpp"
#include "transfusion/sequence/span_table.hpp"

namespace transfusion {

/// Says which keys row q may see: `keys(q, table)` gives one interval, or two in rising order without overlap.
template <class M>
concept attention_mask = requires(const M& m, index_t q, const span_table& table) {
  m.keys(q, table);
  requires std::same_as<decltype(m.keys(q, table)), key_interval> ||
      std::same_as<decltype(m.keys(q, table)), two_key_intervals>;
};

namespace mask {

/// How many intervals a row of this mask has: 1 or 2.
template <attention_mask Mask>
inline constexpr index_t intervals_per_row =
    std::is_same_v<decltype(std::declval<const Mask&>().keys(index_t{}, std::declval<const span_table&>())),
                   key_interval>
        ? 1
        : 2;

/// Whether training lays a noised copy of every image behind its document, for the clean one to be read in its place:
/// `static constexpr bool clean_copies = true` in the mask (`noised_hidden`).
template <attention_mask Mask>
inline constexpr bool clean_copies = false;
template <attention_mask Mask>
requires requires { Mask::clean_copies; }
inline constexpr bool clean_copies<Mask> = Mask::clean_copies;

/// Whether the rows of a document's prefix see each other both ways: `static constexpr bool prefix_both_ways = true` in
/// the mask (`prefix`). Nothing is learnt inside such a prefix, as its rows see what they would predict.
template <attention_mask Mask>
inline constexpr bool prefix_both_ways = false;
template <attention_mask Mask>
requires requires { Mask::prefix_both_ways; }
inline constexpr bool prefix_both_ways<Mask> = Mask::prefix_both_ways;

/// Appends the key intervals of rows [begin, end) of a table to a list, `shift` added to each end (where a KV cache
/// holds the document). Throws config_error where a row would see keys outside its document, or a key twice.
template <attention_mask Mask, class List>
void lower(const Mask& m, const span_table& table, index_t begin, index_t end, index_t shift, List& out) {
  for (index_t q = begin; q < end; ++q) {
    const auto put = [&](key_interval k) {
      const bool inside = k.begin >= table.document_begin(q) && k.end <= table.document_end(q);
      if (k.begin < k.end && !inside)
        throw config_error(detail::message("mask: row ", q, ": found keys ", k.begin, " to ", k.end,
                                           ", expected an interval inside its document, ", table.document_begin(q),
                                           " to ", table.document_end(q), " (", policy_name<Mask>(), ")"));
      out.push_back(key_interval::of(k.begin + shift, k.end + shift));
    };
    const auto keys = m.keys(q, table);
    if constexpr (intervals_per_row<Mask> == 1) {
      put(keys);
    } else {
      const bool empty = keys.first.begin >= keys.first.end || keys.second.begin >= keys.second.end;
      if (!empty && keys.first.end > keys.second.begin)
        throw config_error(detail::message("mask: row ", q, ": found keys ", keys.first.begin, " to ", keys.first.end,
                                           " and ", keys.second.begin, " to ", keys.second.end,
                                           ", expected rising order without overlap (", policy_name<Mask>(), ")"));
      put(keys.first);
      put(keys.second);
    }
  }
}

}  // namespace mask
}  // namespace transfusion
