// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/view.hpp"

namespace transfusion {

/// An owned block of `T` in a policy's memory. The policy must outlive it.
template <class Exec, class T>
class buffer {
 public:
  buffer() = default;
  buffer(Exec& exec, index_t count)
      : exec_(&exec), data_(static_cast<T*>(exec.allocate(bytes_of(count)))), count_(count) {}
  buffer(buffer&& other) noexcept { swap(other); }
  buffer& operator=(buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~buffer() {
    if (data_) exec_->deallocate(data_, bytes_of(count_));
  }

  view<T, 1> all() const { return {data_, count_}; }
  index_t size() const { return count_; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  static std::size_t bytes_of(index_t count) { return static_cast<std::size_t>(count) * sizeof(T); }
  void swap(buffer& other) noexcept {
    std::swap(exec_, other.exec_);
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
  }

  Exec* exec_ = nullptr;
  T* data_ = nullptr;
  index_t count_ = 0;
};

/// The memory of the host as step_memory asks for it.
struct host_allocator {
  void* allocate(std::size_t bytes) { return ::operator new (bytes, std::align_val_t{64}); }
  void deallocate(void* p, std::size_t) noexcept { ::operator delete (p, std::align_val_t{64}); }
};

/// Memory for one step: handed out in order, given back all at once. After the first step of a size it allocates
/// nothing.
template <class Exec>
class step_memory {
 public:
  explicit step_memory(Exec& exec) : exec_(&exec) {}

  template <class T>
  view<T, 1> take(index_t count) {
    const index_t bytes = (count * static_cast<index_t>(sizeof(T)) + 63) / 64 * 64;
    if (blocks_.empty() || used_ + bytes > blocks_.back().size()) open_block(bytes);
    std::byte* p = blocks_.back().all().data + used_;
    used_ += bytes;
    taken_ += bytes;
    return {reinterpret_cast<T*>(p), count};
  }

  /// Forgets everything taken. Blocks opened on the way are replaced by one that holds them all.
  void reset() {
    if (blocks_.size() > 1) {
      const index_t bytes = taken_;
      blocks_.clear();
      blocks_.emplace_back(*exec_, bytes);
    }
    used_ = taken_ = 0;
  }

  /// Bytes held.
  index_t peak() const {
    index_t bytes = 0;
    for (const auto& b : blocks_) bytes += b.size();
    return bytes;
  }

 private:
  static constexpr index_t smallest_block = index_t{1} << 20;

  void open_block(index_t bytes) {
    blocks_.emplace_back(*exec_, bytes > smallest_block ? bytes : smallest_block);
    used_ = 0;
  }

  Exec* exec_;
  std::vector<buffer<Exec, std::byte>> blocks_;
  index_t used_ = 0;
  index_t taken_ = 0;
};

}  // namespace transfusion
