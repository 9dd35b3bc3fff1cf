// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/mask/concepts.hpp"
#include "transfusion/mask/interval_set.hpp"

namespace transfusion::mask {

/// The keys that at least one of two masks lets a row see: two intervals, the second empty where they touch.
template <attention_mask A, attention_mask B>
struct either {
  static_assert(!mask::clean_copies<A> && !mask::clean_copies<B>,
                "mask::either: beside a mask with clean copies another one would show a noised image its clean copy");
  static_assert(intervals_per_row<A> == 1 && intervals_per_row<B> == 1,
                "mask::either: with a mask of two intervals there may be three together; kernels take two");

  static constexpr bool prefix_both_ways = mask::prefix_both_ways<A> || mask::prefix_both_ways<B>;

  two_key_intervals keys(index_t q, const span_table& table) const {
    detail::interval_set all;
    all.add(a.keys(q, table));
    all.add(b.keys(q, table));
    return all.two();
  }

  [[no_unique_address]] A a;
  [[no_unique_address]] B b;
};

}  // namespace transfusion::mask
