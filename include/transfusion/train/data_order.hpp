// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "transfusion/core/error.hpp"
#include "transfusion/core/philox.hpp"
#include "transfusion/core/types.hpp"

namespace transfusion {

/// The order in which a data set is read: every epoch a new permutation, a pure function of (seed, place). A run that
/// resumes at any step reads what the uninterrupted run would have read.
class data_order {
 public:
  /// Throws config_error on a data set without items.
  data_order(std::uint64_t seed, index_t count) : seed_(seed), count_(count) {
    require<config_error>(count > 0, "data_order: found ", count, " items, expected one at least");
    while ((index_t{1} << (2 * half_bits_)) < count) ++half_bits_;
  }

  /// The item read as number `place`, counted from the beginning of training.
  index_t operator()(index_t place) const {
    const auto epoch = static_cast<std::uint32_t>(place / count_);
    std::uint64_t i = static_cast<std::uint64_t>(place % count_);
    do i = permuted(i, epoch);
    while (i >= static_cast<std::uint64_t>(count_));  // walk the cycle until it comes back into range
    return static_cast<index_t>(i);
  }

 private:
  /// A Feistel network of four rounds on 2 · half_bits bits: a permutation whatever the round function is.
  std::uint64_t permuted(std::uint64_t i, std::uint32_t epoch) const {
    const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
    std::uint64_t left = i >> half_bits_, right = i & mask;
    for (std::uint64_t round = 0; round < 4; ++round) {
      const auto mixed = random_key{seed_, epoch, stream::data_order}.block(right << 2 | round).word[0];
      const std::uint64_t next = left ^ (mixed & mask);
      left = right;
      right = next;
    }
    return left << half_bits_ | right;
  }

  std::uint64_t seed_;
  index_t count_;
  int half_bits_ = 1;
};

}  // namespace transfusion
