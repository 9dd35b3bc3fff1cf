// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "transfusion/exec/memory.hpp"

namespace transfusion {

/// Numbers that work leaves in the policy's memory, and that the host reads together: it waits for them once. The room
/// for them grows, and never shrinks.
template <class Exec>
class gathered {
 public:
  using real = typename Exec::real;

  /// The policy must outlive this object.
  explicit gathered(Exec& exec) : exec_(&exec) {}

  void clear() { count_ = 0; }

  /// Appends a copy of x, which may then be overwritten or freed. Does not wait.
  void add(view<const real, 1> x) {
    if (x.size() == 0) return;
    make_room(x.size());
    exec_->copy(memory_.all().slice(count_, count_ + x.size()), x);
    count_ += x.size();
  }

  /// Waits for all that was added; valid until the next read.
  std::span<const real> read() {
    host_.resize(static_cast<std::size_t>(count_));
    if (count_ > 0) exec_->download(host_.data(), memory_.all().data, host_.size() * sizeof(real));
    return host_;
  }

 private:
  void make_room(index_t more) {
    if (count_ + more <= memory_.size()) return;
    buffer<Exec, real> larger(*exec_, std::max(count_ + more, 2 * memory_.size()));
    if (count_ > 0) exec_->copy(larger.all().slice(0, count_), memory_.all().slice(0, count_));
    memory_ = std::move(larger);
  }

  Exec* exec_;
  buffer<Exec, real> memory_;
  index_t count_ = 0;
  std::vector<real> host_;
};

}  // namespace transfusion
