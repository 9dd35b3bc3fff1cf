// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "transfusion/core/types.hpp"

namespace transfusion {

/// A non-owning, contiguous, row-major array of `Rank` extents in some policy's memory. Trivially copyable.
/// Only an execution policy may read through `data`: above `exec/` it is an address, not memory.
template <class T, int Rank = 2>
struct view {
  static_assert(Rank == 1 || Rank == 2);
  using element = T;

  T* data = nullptr;
  index_t extent[Rank] = {};

  constexpr view() = default;
  constexpr view(T* d, index_t n) requires(Rank == 1) : data(d), extent{n} {}
  constexpr view(T* d, index_t rows, index_t cols) requires(Rank == 2) : data(d), extent{rows, cols} {}

  constexpr index_t rows() const { return extent[0]; }
  constexpr index_t cols() const requires(Rank == 2) { return extent[1]; }
  constexpr index_t size() const {
    if constexpr (Rank == 1)
      return extent[0];
    else
      return extent[0] * extent[1];
  }
  constexpr explicit operator bool() const { return data != nullptr; }

  constexpr T* row(index_t r) const requires(Rank == 2) { return data + r * extent[1]; }
  constexpr T& operator[](index_t i) const requires(Rank == 1) { return data[i]; }
  constexpr T& operator()(index_t r, index_t c) const requires(Rank == 2) { return data[r * extent[1] + c]; }

  /// Rows [begin, end).
  constexpr view slice(index_t begin, index_t end) const {
    if constexpr (Rank == 1)
      return view(data + begin, end - begin);
    else
      return view(data + begin * extent[1], end - begin, extent[1]);
  }
  /// The same elements as one row of numbers.
  constexpr view<T, 1> flat() const { return view<T, 1>(data, size()); }

  constexpr operator view<const T, Rank>() const requires(!std::is_const_v<T>) {
    if constexpr (Rank == 1)
      return {data, extent[0]};
    else
      return {data, extent[0], extent[1]};
  }
};

/// Where a backward operation leaves the gradient of an activation: added to what stands there, or written over it.
/// An empty view means that nobody wants this gradient.
template <class T>
struct gradient_sink {
  view<T, 2> into;
  bool add = false;

  constexpr explicit operator bool() const { return into.data != nullptr; }
};

}  // namespace transfusion
