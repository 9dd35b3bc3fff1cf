// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

/// What C++ cannot say: thin wrappers of single PTX instructions (PTX ISA 8.0, sm_80 and later).
/// mma and ldmatrix are warp-wide: all 32 lanes call them together.
namespace transfusion::cuda {

/// d (16x8, float) += a (16x16, bf16, row major) * b (16x8, bf16, column major), spread over the lanes of a warp.
/// With g = lane / 4 and t = lane % 4, two bf16 a register (the lower column or k in the low half):
/// a = {(g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8)}, b = {(k 2t, g), (k 2t + 8, g)},
/// d = {(g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1)}.
__device__ __forceinline__ void mma_16x8x16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// Four 8x8 matrices of 16-bit elements: lane 8 m + i gives the 16-byte aligned shared address of row i of matrix m,
/// and each lane receives in r[m] the elements (lane / 4, 2 (lane % 4)) and (lane / 4, 2 (lane % 4) + 1).
__device__ __forceinline__ void load_matrix_x4(std::uint32_t (&r)[4], const void* shared_row) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared_row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

/// As load_matrix_x4, each matrix transposed: the elements (2 (lane % 4), lane / 4) and (2 (lane % 4) + 1, lane / 4).
__device__ __forceinline__ void load_matrix_x4_transposed(std::uint32_t (&r)[4], const void* shared_row) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared_row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

/// Two matrices: the addresses of lanes 0 to 15 count.
__device__ __forceinline__ void load_matrix_x2(std::uint32_t (&r)[2], const void* shared_row) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared_row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(address)
               : "memory");
}

/// Two matrices, each transposed: the addresses of lanes 0 to 15 count.
__device__ __forceinline__ void load_matrix_x2_transposed(std::uint32_t (&r)[2], const void* shared_row) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared_row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(address)
               : "memory");
}

/// Begins to copy 16 bytes (both addresses 16-byte aligned) past the L1 cache; zeros, and no read, where !valid.
__device__ __forceinline__ void copy_async_16(void* shared, const void* global, bool valid) {
  const auto to = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  const auto from = __cvta_generic_to_global(global);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" : : "r"(to), "l"(from), "r"(valid ? 16 : 0) : "memory");
}

/// Closes the group of this thread's copies begun since the last call.
__device__ __forceinline__ void copy_async_commit() { asm volatile("cp.async.commit_group;" : : : "memory"); }

/// Waits until all but this thread's `Pending` latest groups have arrived; other threads see them after a barrier.
template <int Pending>
__device__ __forceinline__ void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" : : "n"(Pending) : "memory");
}

/// 2 to the power x, to about 2 units in the last place; 0 for -infinity and instead of subnormals.
__device__ __forceinline__ float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// Two floats rounded to the nearest bf16 (ties to even), `low` in the low half.
__device__ __forceinline__ std::uint32_t pack_bf16(float low, float high) {
  std::uint32_t both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
}

/// The block's dynamic shared memory, 128-byte aligned.
__device__ __forceinline__ void* dynamic_shared_base() {
  extern __shared__ __align__(128) unsigned char transfusion_dynamic_shared[];
  return transfusion_dynamic_shared;
}

}  // namespace transfusion::cuda
