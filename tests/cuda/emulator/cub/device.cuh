// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <numeric>
#include <type_traits>
#include <vector>

namespace cub {

namespace emulated {

/// The two calls of every device-wide algorithm: without storage it tells how much it needs, with it it works. The
/// storage is overwritten whole. True where the work is to be done.
inline bool begins(void* storage, std::size_t& bytes, std::size_t needed, cudaError_t& status) {
  status = cudaSuccess;
  if (!storage) {
    bytes = needed;
    return false;
  }
  if (bytes < needed || !emulator::memory().holds(storage, needed)) {
    status = cudaErrorInvalidValue;
    return false;
  }
  std::memset(storage, emulator::unwritten, needed);
  return true;
}

/// The bits [begin, end) of a key, in an order of unsigned numbers that is the order of the keys.
template <class Key>
std::uint64_t digits(Key key, int begin, int end) {
  using word =
      std::conditional_t<sizeof(Key) == 8, std::uint64_t,
                         std::conditional_t<sizeof(Key) == 4, std::uint32_t,
                                            std::conditional_t<sizeof(Key) == 2, std::uint16_t, std::uint8_t>>>;
  constexpr int bits = 8 * static_cast<int>(sizeof(Key));
  constexpr auto sign = static_cast<word>(word{1} << (bits - 1));
  auto w = std::bit_cast<word>(key);
  if constexpr (std::is_floating_point_v<Key>)
    w = static_cast<word>(w & sign ? ~w : w | sign);
  else if constexpr (std::is_signed_v<Key>)
    w = static_cast<word>(w ^ sign);
  const std::uint64_t upper = end == 64 ? w : w & ((std::uint64_t{1} << end) - 1);
  return upper >> begin;
}

template <class Key>
std::vector<std::size_t> stable_order(const Key* keys, std::size_t n, bool descending, int begin, int end) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto da = digits(keys[a], begin, end), db = digits(keys[b], begin, end);
    return descending ? da > db : da < db;
  });
  return order;
}

template <class T>
void gather(T* to, const T* from, const std::vector<std::size_t>& order) {
  for (std::size_t i = 0; i < order.size(); ++i) to[i] = from[order[i]];
}

template <class Key, class Value>
struct pairs {
  const Key* keys_in;
  Key* keys_out;
  const Value* values_in;
  Value* values_out;

  void sort(std::size_t first, std::size_t last, bool descending, int begin, int end) const {
    if (first >= last) return;
    const auto order = stable_order(keys_in + first, last - first, descending, begin, end);
    gather(keys_out + first, keys_in + first, order);
    gather(values_out + first, values_in + first, order);
  }
};

constexpr std::size_t fixed_bytes = 512;

}  // namespace emulated

/// Stable; input and output are different arrays.
struct DeviceRadixSort {
  template <class Key, class Value, class Count>
  static cudaError_t SortPairs(void* storage, std::size_t& bytes, const Key* keys_in, Key* keys_out,
                               const Value* values_in, Value* values_out, Count n, int begin = 0,
                               int end = 8 * sizeof(Key), cudaStream_t = nullptr) {
    return sort<Key, Value>(storage, bytes, {keys_in, keys_out, values_in, values_out}, static_cast<std::size_t>(n),
                            false, begin, end);
  }
  template <class Key, class Value, class Count>
  static cudaError_t SortPairsDescending(void* storage, std::size_t& bytes, const Key* keys_in, Key* keys_out,
                                         const Value* values_in, Value* values_out, Count n, int begin = 0,
                                         int end = 8 * sizeof(Key), cudaStream_t = nullptr) {
    return sort<Key, Value>(storage, bytes, {keys_in, keys_out, values_in, values_out}, static_cast<std::size_t>(n),
                            true, begin, end);
  }

 private:
  template <class Key, class Value>
  static cudaError_t sort(void* storage, std::size_t& bytes, emulated::pairs<Key, Value> p, std::size_t n,
                          bool descending, int begin, int end) {
    cudaError_t status;
    if (emulated::begins(storage, bytes, emulated::fixed_bytes + n * (sizeof(Key) + sizeof(Value)), status))
      p.sort(0, n, descending, begin, end);
    return status;
  }
};

/// As DeviceRadixSort, each segment [begin_offsets[i], end_offsets[i]) for itself; elements outside stay unwritten.
struct DeviceSegmentedRadixSort {
  template <class Key, class Value, class Count, class Segments, class Begins, class Ends>
  static cudaError_t SortPairs(void* storage, std::size_t& bytes, const Key* keys_in, Key* keys_out,
                               const Value* values_in, Value* values_out, Count n, Segments segments, Begins begins,
                               Ends ends, int begin = 0, int end = 8 * sizeof(Key), cudaStream_t = nullptr) {
    return sort<Key, Value>(storage, bytes, {keys_in, keys_out, values_in, values_out}, static_cast<std::size_t>(n),
                            static_cast<std::size_t>(segments), begins, ends, false, begin, end);
  }
  template <class Key, class Value, class Count, class Segments, class Begins, class Ends>
  static cudaError_t SortPairsDescending(void* storage, std::size_t& bytes, const Key* keys_in, Key* keys_out,
                                         const Value* values_in, Value* values_out, Count n, Segments segments,
                                         Begins begins, Ends ends, int begin = 0, int end = 8 * sizeof(Key),
                                         cudaStream_t = nullptr) {
    return sort<Key, Value>(storage, bytes, {keys_in, keys_out, values_in, values_out}, static_cast<std::size_t>(n),
                            static_cast<std::size_t>(segments), begins, ends, true, begin, end);
  }

 private:
  template <class Key, class Value, class Begins, class Ends>
  static cudaError_t sort(void* storage, std::size_t& bytes, emulated::pairs<Key, Value> p, std::size_t n,
                          std::size_t segments, Begins begins, Ends ends, bool descending, int begin, int end) {
    cudaError_t status;
    if (emulated::begins(storage, bytes, emulated::fixed_bytes + n * (sizeof(Key) + sizeof(Value)), status))
      for (std::size_t i = 0; i < segments; ++i)
        p.sort(static_cast<std::size_t>(begins[i]), static_cast<std::size_t>(ends[i]), descending, begin, end);
    return status;
  }
};

/// Input and output may be one array.
struct DeviceScan {
  template <class In, class Out, class Count>
  static cudaError_t InclusiveSum(void* storage, std::size_t& bytes, In in, Out out, Count n, cudaStream_t = nullptr) {
    return sum(storage, bytes, in, out, n, true);
  }
  template <class In, class Out, class Count>
  static cudaError_t ExclusiveSum(void* storage, std::size_t& bytes, In in, Out out, Count n, cudaStream_t = nullptr) {
    return sum(storage, bytes, in, out, n, false);
  }

 private:
  template <class In, class Out, class Count>
  static cudaError_t sum(void* storage, std::size_t& bytes, In in, Out out, Count n, bool inclusive) {
    using value = typename std::iterator_traits<In>::value_type;
    cudaError_t status;
    if (!emulated::begins(storage, bytes, emulated::fixed_bytes, status)) return status;
    value before{};
    for (Count i = 0; i < n; ++i) {
      const value each = in[i];
      out[i] = inclusive ? before + each : before;
      before = before + each;
    }
    return status;
  }
};

struct DeviceReduce {
  template <class In, class Out, class Count>
  static cudaError_t Sum(void* storage, std::size_t& bytes, In in, Out out, Count n, cudaStream_t = nullptr) {
    using value = typename std::iterator_traits<In>::value_type;
    cudaError_t status;
    if (!emulated::begins(storage, bytes, emulated::fixed_bytes, status)) return status;
    value all{};
    for (Count i = 0; i < n; ++i) all = all + in[i];
    *out = all;
    return status;
  }
};

}  // namespace cub
