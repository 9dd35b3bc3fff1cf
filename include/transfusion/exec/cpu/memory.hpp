// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/product.hpp"

namespace transfusion {

template <class Scalar>
cpu_exec<Scalar>::cpu_exec(int threads) : team_(threads) {
  detail::single_threaded_blas();
}

template <class Scalar>
void* cpu_exec<Scalar>::allocate(std::size_t bytes) {
  void* p = detail::aligned_memory(bytes);
  ++allocations_;
  return p;
}

template <class Scalar>
void cpu_exec<Scalar>::deallocate(void* p, std::size_t) noexcept {
  ::operator delete (p, std::align_val_t{detail::cpu_alignment});
}

template <class Scalar>
void cpu_exec<Scalar>::upload(void* to, const void* from, std::size_t bytes) {
  if (bytes) std::memcpy(to, from, bytes);
}

template <class Scalar>
void cpu_exec<Scalar>::download(void* to, const void* from, std::size_t bytes) {
  if (bytes) std::memcpy(to, from, bytes);
}

template <class Scalar>
void cpu_exec<Scalar>::fill(vector x, double value) {
  team_.run_pieces(x.size(), 1, [&](index_t begin, index_t end) {
    std::fill(x.data + begin, x.data + end, static_cast<Scalar>(value));
  });
}

template <class Scalar>
void cpu_exec<Scalar>::copy(vector y, const_vector x) {
  team_.run_pieces(y.size(), 1,
                   [&](index_t begin, index_t end) { std::copy(x.data + begin, x.data + end, y.data + begin); });
}

template <class Scalar>
void cpu_exec<Scalar>::normal(vector x, random_key key, double scale, index_t first) {
  constexpr index_t cost = 32;  // a Box-Muller normal takes as long as some 32 simple elements
  const index_t first_block = first / 4, last = first + x.size();
  team_.run_pieces((last + 3) / 4 - first_block, 4 * cost, [&](index_t begin, index_t end) {
    double four[4];
    for (index_t block = first_block + begin; block < first_block + end; ++block) {
      normal_block(key, static_cast<std::uint64_t>(block), four);
      for (index_t i = std::max(first, 4 * block); i < std::min(last, 4 * block + 4); ++i)
        x[i - first] = static_cast<Scalar>(scale * four[i % 4]);
    }
  });
}

}  // namespace transfusion
