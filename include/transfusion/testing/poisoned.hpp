// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "transfusion/exec/concepts.hpp"

namespace transfusion::testing {

/// A policy whose new memory holds no number (all bits set): whoever reads what nobody wrote gets NaN.
template <execution_policy Exec>
class poisoned : public Exec {
 public:
  using Exec::Exec;

  void* allocate(std::size_t bytes) {
    void* p = Exec::allocate(bytes);
    const std::vector<unsigned char> ones(bytes, 0xFF);
    Exec::upload(p, ones.data(), bytes);
    return p;
  }
};

}  // namespace transfusion::testing
