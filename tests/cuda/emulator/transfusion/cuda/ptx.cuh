// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>

#include "transfusion/core/bf16.hpp"

/// The functions of the library's ptx.cuh in plain C++, after the PTX ISA's pictures of the fragments.
namespace transfusion::cuda {

namespace emulated {

using emulator::place;

inline float half_of(std::uint32_t pair, int upper) {
  bf16 x;
  x.bits = static_cast<std::uint16_t>(upper ? pair >> 16 : pair);
  return float(x);
}

typedef float eight_floats __attribute__((vector_size(32)));

struct mma {
  float* d;
  const std::uint32_t *a, *b;
};

/// D (16x8) += A (16x16) B (16x8) over the lanes' registers: element i of A lies in half i % 2 of register i / 2.
inline void multiply(void* const* records, unsigned lanes) {
  if (lanes != 0xffffffffu) emulator::device().fail("calls mma without all 32 lanes");
  float a[16][16];
  eight_floats b[16], d[16] = {};
  for (int lane = 0; lane < 32; ++lane) {
    const auto* r = static_cast<const mma*>(records[lane]);
    const int group = lane / 4, in_group = lane % 4;
    for (int i = 0; i < 8; ++i)
      a[group + (i / 2 % 2 ? 8 : 0)][in_group * 2 + i % 2 + (i >= 4 ? 8 : 0)] = half_of(r->a[i / 2], i % 2);
    for (int i = 0; i < 4; ++i) b[in_group * 2 + i % 2 + (i >= 2 ? 8 : 0)][group] = half_of(r->b[i / 2], i % 2);
  }
  for (int row = 0; row < 16; ++row)
    for (int k = 0; k < 16; ++k) d[row] += a[row][k] * b[k];
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i)
      static_cast<const mma*>(records[lane])->d[i] += d[lane / 4 + (i >= 2 ? 8 : 0)][lane % 4 * 2 + i % 2];
}

struct rows {
  const void* address;
  std::uint32_t* r;
};

template <int Matrices, bool Transposed>
void load_rows(void* const* records, unsigned lanes) {
  auto& device = emulator::device();
  if (lanes != 0xffffffffu) device.fail("calls ldmatrix without all 32 lanes");
  for (int m = 0; m < Matrices; ++m) {
    std::uint16_t matrix[8][8];
    for (int i = 0; i < 8; ++i) {
      const void* row = static_cast<const rows*>(records[8 * m + i])->address;
      if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0)
        device.fail("reads by ldmatrix a row whose address is not 16-byte aligned: lane " + std::to_string(8 * m + i));
      if (!device.shared.holds(static_cast<const std::byte*>(row) + 15))
        device.fail("reads by ldmatrix outside shared memory: lane " + std::to_string(8 * m + i));
      std::memcpy(matrix[i], row, 16);
    }
    for (int lane = 0; lane < 32; ++lane) {
      const int first = lane / 4, second = lane % 4 * 2;
      const std::uint32_t low = Transposed ? matrix[second][first] : matrix[first][second];
      const std::uint32_t high = Transposed ? matrix[second + 1][first] : matrix[first][second + 1];
      static_cast<const rows*>(records[lane])->r[m] = low | high << 16;
    }
  }
}

template <int Matrices, bool Transposed>
void load(std::uint32_t* r, const void* address, const place& where) {
  rows record{address, r};
  emulator::device().collective(0xffffffffu, load_rows<Matrices, Transposed>, &record, where);
}

}  // namespace emulated

inline void mma_16x8x16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                        emulated::place where = emulated::place::current()) {
  emulated::mma record{d, a, b};
  emulator::device().collective(0xffffffffu, emulated::multiply, &record, where);
}

inline void load_matrix_x4(std::uint32_t (&r)[4], const void* shared_row,
                           emulated::place where = emulated::place::current()) {
  emulated::load<4, false>(r, shared_row, where);
}
inline void load_matrix_x4_transposed(std::uint32_t (&r)[4], const void* shared_row,
                                      emulated::place where = emulated::place::current()) {
  emulated::load<4, true>(r, shared_row, where);
}
inline void load_matrix_x2(std::uint32_t (&r)[2], const void* shared_row,
                           emulated::place where = emulated::place::current()) {
  emulated::load<2, false>(r, shared_row, where);
}
inline void load_matrix_x2_transposed(std::uint32_t (&r)[2], const void* shared_row,
                                      emulated::place where = emulated::place::current()) {
  emulated::load<2, true>(r, shared_row, where);
}

/// The place in shared memory holds NaN until the copy is waited for.
inline void copy_async_16(void* shared, const void* global, bool valid,
                          emulated::place where = emulated::place::current()) {
  auto& device = emulator::device();
  device.self().where = where;
  if (reinterpret_cast<std::uintptr_t>(shared) % 16 != 0)
    device.fail("copies 16 bytes to a shared address that is not 16-byte aligned");
  if (!device.shared.holds(static_cast<std::byte*>(shared) + 15))
    device.fail("copies 16 bytes to an address outside shared memory");
  if (reinterpret_cast<std::uintptr_t>(global) % 16 != 0)
    device.fail("copies 16 bytes from a global address that is not 16-byte aligned");
  if (valid && !emulator::memory().holds(global, 16))
    device.fail("copies 16 bytes from an address outside device memory, or past its block's end");
  std::memset(shared, emulator::unwritten, 16);
  device.self().copies.begin(shared, valid ? global : nullptr);
}
inline void copy_async_commit() { emulator::device().self().copies.commit(); }
template <int Pending>
void copy_async_wait() {
  emulator::device().self().copies.wait(Pending);
}

inline float exp2_fast(float x) {
  const float y = std::exp2(x);
  return y < std::numeric_limits<float>::min() ? 0.f : y;
}

inline std::uint32_t pack_bf16(float low, float high) {
  const auto half = [](float x) { return x == x ? bf16(x).bits : std::uint16_t{0x7fff}; };
  return static_cast<std::uint32_t>(half(high)) << 16 | half(low);
}

inline void* dynamic_shared_base() { return emulator::device().shared.dynamic(); }

}  // namespace transfusion::cuda
