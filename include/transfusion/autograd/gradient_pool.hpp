// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "transfusion/exec/memory.hpp"

namespace transfusion::detail {

/// One buffer of the pool and how many variables hold it.
template <class Exec>
struct gradient_block {
  buffer<Exec, typename Exec::scalar> memory;
  int holders = 0;
};

/// Recycles the gradients of activations: a buffer lives from its first writer to its variable's own backward step,
/// so a deep model needs the gradients of about one block. The best fitting free buffer is taken.
template <class Exec>
class gradient_pool {
 public:
  using block = gradient_block<Exec>;

  explicit gradient_pool(Exec& exec) : exec_(&exec) {}

  block* acquire(index_t count) {
    block* best = nullptr;
    for (const auto& b : blocks_)
      if (b->holders == 0 && b->memory.size() >= count && (!best || b->memory.size() < best->memory.size()))
        best = b.get();
    if (!best) best = blocks_.emplace_back(new block{buffer<Exec, typename Exec::scalar>(*exec_, count)}).get();
    best->holders = 1;
    return best;
  }

  /// Bytes held.
  index_t peak() const {
    index_t bytes = 0;
    for (const auto& b : blocks_) bytes += b->memory.size() * static_cast<index_t>(sizeof(typename Exec::scalar));
    return bytes;
  }

 private:
  Exec* exec_;
  std::vector<std::unique_ptr<block>> blocks_;
};

}  // namespace transfusion::detail
