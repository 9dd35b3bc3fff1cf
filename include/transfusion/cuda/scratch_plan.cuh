// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "transfusion/core/types.hpp"

namespace transfusion::cuda {

/// Lays arrays one after another in one piece of scratch memory, each 256-byte aligned.
class scratch_plan {
 public:
  template <class T>
  std::size_t add(index_t count) {
    const std::size_t at = bytes_;
    bytes_ += (static_cast<std::size_t>(count) * sizeof(T) + 255) / 256 * 256;
    return at;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

}  // namespace transfusion::cuda
