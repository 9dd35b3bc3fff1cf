// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/mask/concepts.hpp"
#include "transfusion/mask/interval_set.hpp"

namespace transfusion::mask {

/// The keys that two masks both let a row see.
template <attention_mask A, attention_mask B>
struct both {
  static_assert(intervals_per_row<A> == 1 || intervals_per_row<B> == 1,
                "mask::both: two masks of two intervals have up to three in common; kernels take two");
  static constexpr bool clean_copies = mask::clean_copies<A> || mask::clean_copies<B>;
  static constexpr bool prefix_both_ways = mask::prefix_both_ways<A> && mask::prefix_both_ways<B>;

  auto keys(index_t q, const span_table& table) const {
    return detail::common_keys(a.keys(q, table), b.keys(q, table));
  }

  [[no_unique_address]] A a;
  [[no_unique_address]] B b;
};

}  // namespace transfusion::mask
