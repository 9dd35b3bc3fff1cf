// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/philox.hpp"

namespace scenes {

/// The random numbers of one thing that is drawn: a pure function of seed, number, and what the thing is.
class dice {
 public:
  enum class use : std::uint32_t { training, edits, asked };

  /// Independent for each seed, each number below 2^44 and each use, for a million draws.
  dice(std::uint64_t seed, std::uint64_t number, use u)
      : key_{seed, static_cast<std::uint32_t>(u), transfusion::stream::document_order}, next_(number << 20) {}

  double between(double low, double high) { return low + (high - low) * key_.uniform(next_++); }
  /// 0 to n − 1.
  transfusion::index_t below(transfusion::index_t n) { return key_.below(next_++, n); }

 private:
  transfusion::random_key key_;
  std::uint64_t next_;
};

}  // namespace scenes
