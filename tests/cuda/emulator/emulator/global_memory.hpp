// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "emulator/shared_memory.hpp"

namespace emulator {

/// What cudaMalloc hands out: blocks between two edges, all filled with NaN. Writes over an edge, or into a block that
/// was freed a while ago, are found at the next check.
class global_memory {
 public:
  std::size_t total = std::size_t{4} << 30;  ///< what the device says it has

  void* allocate(std::size_t bytes) {
    if (bytes > total - used_) return nullptr;
    std::byte* memory = bytes >= large ? take_rested(bytes) : nullptr;
    if (!memory) memory = fresh(bytes);
    live_.emplace(memory, bytes);
    used_ += bytes;
    return memory;
  }

  /// False where p is no block of ours.
  bool free(void* p) {
    const auto at = live_.find(static_cast<std::byte*>(p));
    if (at == live_.end()) return false;
    check(at->first, at->second);
    std::memset(at->first, unwritten, at->second);
    resting_.emplace_back(at->first, at->second);
    resting_bytes_ += at->second;
    used_ -= at->second;
    live_.erase(at);
    while (resting_bytes_ > resting_limit) release_oldest();
    return true;
  }

  /// Whether [p, p + bytes) lies inside one live block.
  bool holds(const void* p, std::size_t bytes) const {
    const auto* at = static_cast<const std::byte*>(p);
    auto after = live_.upper_bound(const_cast<std::byte*>(at));
    if (after == live_.begin()) return false;
    --after;
    return static_cast<std::size_t>(at - after->first) + bytes <= after->second;
  }

  void check_edges() const {
    for (const auto& [memory, bytes] : live_) check(memory, bytes);
  }
  std::size_t used() const { return used_; }
  std::size_t blocks() const { return live_.size(); }

 private:
  static constexpr std::size_t alignment = 256, edge = 256, large = std::size_t{1} << 20, resting_limit = 64 * large;

  static std::size_t rounded(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }
  static bool poisoned(const std::byte* p, std::size_t bytes) {
    return bytes == 0 || (p[0] == std::byte{unwritten} && std::memcmp(p, p + 1, bytes - 1) == 0);
  }
  static void check(const std::byte* memory, std::size_t bytes) {
    if (!poisoned(memory - edge, edge)) refuse("before the begin", bytes);
    if (!poisoned(memory + bytes, edge)) refuse("past the end", bytes);
  }
  [[noreturn]] static void refuse(const char* where, std::size_t bytes) {
    throw std::logic_error(std::string("something has written ") + where + " of a block of " + std::to_string(bytes) +
                           " bytes of device memory");
  }
  static std::byte* fresh(std::size_t bytes) {
    const std::size_t whole = rounded(bytes + 2 * edge);
    auto* memory = static_cast<std::byte*>(std::aligned_alloc(alignment, whole));
    if (!memory) throw std::bad_alloc();
    std::memset(memory, unwritten, whole);
    return memory + edge;
  }
  /// Large blocks go round: to have them from the system is what costs time.
  std::byte* take_rested(std::size_t bytes) {
    for (auto at = resting_.begin(); at != resting_.end(); ++at)
      if (at->second == bytes) {
        std::byte* memory = at->first;
        resting_.erase(at);
        resting_bytes_ -= bytes;
        require_untouched(memory, bytes);
        return memory;
      }
    return nullptr;
  }
  void release_oldest() {
    const auto [memory, bytes] = resting_.front();
    resting_.pop_front();
    resting_bytes_ -= bytes;
    require_untouched(memory, bytes);
    std::free(memory - edge);
  }
  static void require_untouched(const std::byte* memory, std::size_t bytes) {
    if (!poisoned(memory - edge, bytes + 2 * edge))
      throw std::logic_error("something has written into device memory that was free");
  }

  std::map<std::byte*, std::size_t> live_;
  std::deque<std::pair<std::byte*, std::size_t>> resting_;
  std::size_t used_ = 0, resting_bytes_ = 0;
};

inline global_memory& memory() {
  static global_memory& one = *new global_memory;  // outlives every static object that frees
  return one;
}

}  // namespace emulator
