// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "transfusion/core/interval.hpp"

namespace transfusion::detail {

/// The keys in both intervals; empty as [b, b) where there are none.
constexpr key_interval common_keys(key_interval a, key_interval b) {
  const token_t begin = std::max(a.begin, b.begin);
  return {begin, std::max(begin, std::min(a.end, b.end))};
}
constexpr two_key_intervals common_keys(key_interval a, two_key_intervals b) {
  return {common_keys(a, b.first), common_keys(a, b.second)};
}
constexpr two_key_intervals common_keys(two_key_intervals a, key_interval b) { return common_keys(b, a); }

/// A union of up to four intervals: in rising order, apart from each other, none empty.
class interval_set {
 public:
  void add(key_interval k) {
    if (k.begin >= k.end) return;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count_; ++i) {  // those that touch the new one become part of it
      const key_interval other = intervals_[i];
      if (other.end < k.begin || k.end < other.begin)
        intervals_[kept++] = other;
      else
        k = {std::min(k.begin, other.begin), std::max(k.end, other.end)};
    }
    intervals_[kept++] = k;
    count_ = kept;
    std::sort(intervals_.begin(), intervals_.begin() + count_, [](auto a, auto b) { return a.begin < b.begin; });
  }
  void add(two_key_intervals k) {
    add(k.first);
    add(k.second);
  }

  index_t size() const { return static_cast<index_t>(count_); }
  /// The set where it has one interval at the most, or two.
  key_interval one() const { return count_ > 0 ? intervals_[0] : key_interval{}; }
  two_key_intervals two() const { return {one(), count_ > 1 ? intervals_[1] : key_interval{one().end, one().end}}; }

 private:
  std::array<key_interval, 4> intervals_{};
  std::size_t count_ = 0;
};

}  // namespace transfusion::detail
