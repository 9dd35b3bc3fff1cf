// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <thread>

#include "transfusion/core/error.hpp"
#include "transfusion/core/types.hpp"
#include "transfusion/exec/cpu/crew.hpp"

namespace transfusion::detail {

inline constexpr std::size_t cpu_alignment = 64;

/// 64-byte aligned memory; throws `device_error` when there is no more.
inline void* aligned_memory(std::size_t bytes) {
  void* p = ::operator new (bytes, std::align_val_t{cpu_alignment}, std::nothrow);
  require<device_error>(p != nullptr, "cpu memory: found none left, expected ", bytes, " bytes");
  return p;
}
struct aligned_delete {
  void operator()(std::byte* p) const noexcept { ::operator delete (p, std::align_val_t{cpu_alignment}); }
};

/// What a piece of scratch is for. Each purpose has one block, which grows and never shrinks, so a warm call allocates
/// nothing.
enum class scratch {
  packing,
  rows,
  table,
  partial,
  logits,
  values,
  panels,
  tiles,
  split,
  plan_reach,
  plan_segments,
  plan_tiles,
  plan_blocks,
  plan_parts,
  plan_order,
  count_
};

/// The threads of a CPU policy and their scratch memory. Scratch is reserved before a parallel region, never inside
/// one.
class cpu_team {
 public:
  explicit cpu_team(int threads)
      : threads_(threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()))) {
    if (threads_ > 1) crew_ = std::make_unique<worker_crew>(threads_ - 1);
  }

  int threads() const { return threads_; }

  /// `count` elements of scratch, 64-byte aligned, contents undefined; valid until the purpose is reserved again.
  template <class T>
  T* reserve(scratch purpose, index_t count) {
    block& b = blocks_[static_cast<std::size_t>(purpose)];
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
    if (bytes > b.bytes) {
      b.memory.reset();
      b.bytes = 0;
      b.memory.reset(static_cast<std::byte*>(aligned_memory(bytes)));
      b.bytes = bytes;
    }
    return reinterpret_cast<T*>(b.memory.get());
  }

  /// Calls f(i, thread) for every i < count, each i on one thread. The caller makes the results independent of which.
  template <class F>
  void run(index_t count, const F& f) const {
    if (crew_ && count > 1) {
      crew_->run(count, f);
      return;
    }
    for (index_t i = 0; i < count; ++i) f(i, 0);
  }

  /// Calls f(begin, end) on pieces of [0, size) that depend on the sizes only; `weight` is the elements behind one
  /// index.
  template <class F>
  void run_pieces(index_t size, index_t weight, const F& f) const {
    const index_t piece = std::max<index_t>(1, piece_elements / std::max<index_t>(1, weight));
    run((size + piece - 1) / piece, [&](index_t i, int) { f(i * piece, std::min(size, (i + 1) * piece)); });
  }

  /// A piece of this many elements is worth waking a thread for (measured: a parallel region costs a few microseconds).
  static constexpr index_t piece_elements = 32768;

 private:
  struct block {
    std::unique_ptr<std::byte, aligned_delete> memory;
    std::size_t bytes = 0;
  };

  int threads_;
  std::unique_ptr<worker_crew> crew_;
  std::array<block, static_cast<std::size_t>(scratch::count_)> blocks_;
};

/// A matrix of rows x cols cut into tiles; the cut is a function of the extents only.
struct tiling {
  struct tile {
    index_t row, row_end, col, col_end;
    index_t rows() const { return row_end - row; }
    index_t cols() const { return col_end - col; }
  };
  index_t rows, cols, tile_rows, tile_cols;

  index_t down() const { return (rows + tile_rows - 1) / tile_rows; }
  index_t across() const { return (cols + tile_cols - 1) / tile_cols; }
  index_t count() const { return down() * across(); }
  tile operator[](index_t i) const {
    const index_t r = i / across() * tile_rows, c = i % across() * tile_cols;
    return {r, std::min(rows, r + tile_rows), c, std::min(cols, c + tile_cols)};
  }
};

}  // namespace transfusion::detail
