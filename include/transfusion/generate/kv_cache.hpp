// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "transfusion/exec/memory.hpp"
#include "transfusion/layer/attention.hpp"

namespace transfusion {

/// Keys and values of every layer for a fixed number of slots. Sequences share one cache: each owns a range of slots,
/// and key intervals say which slots a row may see.
template <class Exec>
class kv_cache {
 public:
  using scalar = typename Exec::scalar;

  /// `width` is G·C, the width of one key.
  kv_cache(Exec& exec, index_t layers, index_t slots, index_t width) : memory_(exec, 2 * layers * slots * width) {
    exec.fill(memory_.all(), 0);
    scalar* p = memory_.all().data;
    for (index_t i = 0; i < layers; ++i, p += 2 * slots * width)
      layers_.push_back({{p, slots, width}, {p + slots * width, slots, width}});
  }

  const layer_cache<Exec>* layers() const { return layers_.data(); }

 private:
  buffer<Exec, scalar> memory_;
  std::vector<layer_cache<Exec>> layers_;
};

}  // namespace transfusion
