// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <new>
#include <type_traits>

#include "transfusion/core/types.hpp"

namespace transfusion {

/// A list with room for a fixed number of elements in memory that somebody else owns: a vector that never allocates.
template <class T>
class host_list {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  host_list(void* memory, index_t capacity) : data_(static_cast<T*>(memory)), capacity_(capacity) {}

  /// There must be room.
  void push_back(const T& value) { new (data_ + size_++) T(value); }

  index_t size() const { return size_; }
  index_t capacity() const { return capacity_; }
  const T* data() const { return data_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  const T& operator[](index_t i) const { return data_[i]; }

 private:
  T* data_;
  index_t size_ = 0;
  index_t capacity_;
};

}  // namespace transfusion
