// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstring>

namespace cub {

enum BlockReduceAlgorithm { BLOCK_REDUCE_RAKING_COMMUTATIVE_ONLY, BLOCK_REDUCE_RAKING, BLOCK_REDUCE_WARP_REDUCTIONS };
enum BlockScanAlgorithm { BLOCK_SCAN_RAKING, BLOCK_SCAN_RAKING_MEMOIZE, BLOCK_SCAN_WARP_SCANS };

namespace emulated {

template <class T, int Threads>
struct exchange {
  T values[Threads];
};

template <class T>
T undefined() {
  T x;
  std::memset(static_cast<void*>(&x), emulator::unwritten, sizeof x);
  return x;
}

inline int thread() { return emulator::device().self().number; }

struct plus {
  template <class T>
  T operator()(const T& a, const T& b) const {
    return a + b;
  }
};

}  // namespace emulated

/// The result counts in thread 0 only. Before the storage serves again the block has to meet at a barrier.
template <class T, int BlockX, BlockReduceAlgorithm = BLOCK_REDUCE_WARP_REDUCTIONS, int BlockY = 1, int BlockZ = 1>
class BlockReduce {
  static constexpr int threads = BlockX * BlockY * BlockZ;

 public:
  using TempStorage = emulated::exchange<T, threads>;
  explicit BlockReduce(TempStorage& storage) : storage_(storage) {}

  T Sum(T x) { return Reduce(x, emulated::plus()); }
  T Sum(T x, int valid) { return Reduce(x, emulated::plus(), valid); }
  template <class Operation>
  T Reduce(T x, Operation operation, int valid = threads) {
    storage_.values[emulated::thread()] = x;
    __syncthreads();
    if (emulated::thread() != 0) return emulated::undefined<T>();
    T all = storage_.values[0];
    for (int i = 1; i < valid; ++i) all = operation(all, storage_.values[i]);
    return all;
  }

 private:
  TempStorage& storage_;
};

/// Before the storage serves again the block has to meet at a barrier.
template <class T, int BlockX, BlockScanAlgorithm = BLOCK_SCAN_RAKING, int BlockY = 1, int BlockZ = 1>
class BlockScan {
  static constexpr int threads = BlockX * BlockY * BlockZ;

 public:
  using TempStorage = emulated::exchange<T, threads>;
  explicit BlockScan(TempStorage& storage) : storage_(storage) {}

  void InclusiveSum(T x, T& sum) {
    T all;
    InclusiveSum(x, sum, all);
  }
  void InclusiveSum(T x, T& sum, T& all) {
    ExclusiveSum(x, sum, all);
    sum = sum + x;
  }
  void ExclusiveSum(T x, T& sum) {
    T all;
    ExclusiveSum(x, sum, all);
  }
  void ExclusiveSum(T x, T& sum, T& all) {
    storage_.values[emulated::thread()] = x;
    __syncthreads();
    all = sum = T();
    for (int i = 0; i < threads; ++i) {
      if (i == emulated::thread()) sum = all;
      all = all + storage_.values[i];
    }
  }
  template <int Items>
  void InclusiveSum(T (&x)[Items], T (&sum)[Items]) {
    scan(x, sum, true);
  }
  template <int Items>
  void ExclusiveSum(T (&x)[Items], T (&sum)[Items]) {
    scan(x, sum, false);
  }

 private:
  template <int Items>
  void scan(T (&x)[Items], T (&sum)[Items], bool inclusive) {
    T mine = T(), before;
    for (const T& each : x) mine = mine + each;
    ExclusiveSum(mine, before);
    for (int i = 0; i < Items; ++i) {
      const T each = x[i];  // x and sum may be one array
      sum[i] = inclusive ? before + each : before;
      before = before + each;
    }
  }

  TempStorage& storage_;
};

}  // namespace cub
