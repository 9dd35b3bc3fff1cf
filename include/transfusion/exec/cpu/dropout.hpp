// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "transfusion/exec/cpu.hpp"

namespace transfusion {

template <class Scalar>
void cpu_exec<Scalar>::dropout(sink y, const_matrix x, random_key key, double rate, index_t first) {
  constexpr index_t cost = 4;  // ten rounds for four elements, against a simple element
  const Scalar by = static_cast<Scalar>(1 / (1 - rate));
  const index_t first_block = first / 4, last = first + x.size();
  team_.run_pieces((last + 3) / 4 - first_block, 4 * cost, [&](index_t begin, index_t end) {
    for (index_t block = first_block + begin; block < first_block + end; ++block) {
      const philox::block words = key.block(static_cast<std::uint64_t>(block));
      for (index_t i = std::max(first, 4 * block); i < std::min(last, 4 * block + 4); ++i) {
        const bool kept = random_key::to_uniform(words.word[i % 4]) >= rate;
        const Scalar v = kept ? x.data[i - first] * by : Scalar{0};
        Scalar& to = y.into.data[i - first];
        to = y.add ? to + v : v;
      }
    }
  });
}

}  // namespace transfusion
