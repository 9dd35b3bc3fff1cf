// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

namespace emulator {

/// One thread's copies under way. The bytes arrive as late as the device allows: when the thread waits for them.
class copy_queue {
 public:
  void clear() {
    copies_.clear();
    groups_ = 0;
  }
  void begin(void* to, const void* from) { copies_.push_back({to, from, groups_}); }
  void commit() { ++groups_; }
  /// Lets all but the latest `pending` groups arrive; copies of no group stay under way.
  void wait(int pending) {
    std::size_t arrived = 0;
    for (; arrived < copies_.size() && copies_[arrived].group < groups_ - pending; ++arrived) arrive(copies_[arrived]);
    copies_.erase(copies_.begin(), copies_.begin() + static_cast<std::ptrdiff_t>(arrived));
  }
  bool empty() const { return copies_.empty(); }

 private:
  struct copy {
    void* to;
    const void* from;  // null: zeros
    int group;
  };
  static void arrive(const copy& c) {
    if (c.from)
      std::memcpy(c.to, c.from, 16);
    else
      std::memset(c.to, 0, 16);
  }

  std::vector<copy> copies_;
  int groups_ = 0;
};

}  // namespace emulator
