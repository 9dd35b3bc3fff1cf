// SPDX-License-Identifier: Apache-2.0
// The emulator runs right kernels right.
#define BOOST_TEST_MODULE cuda_emulator
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include "emulator/testing.hpp"
#include "transfusion/cuda/device.cuh"

using namespace emulator_tests;

namespace {

// --- barriers and warp functions ---
__global__ void reverse(int* out) {
  __shared__ int kept[96];
  const int t = static_cast<int>(threadIdx.x + blockDim.x * threadIdx.y), block = static_cast<int>(blockIdx.x);
  kept[t] = 1000 * block + t;
  __syncthreads();
  out[96 * block + t] = kept[95 - t];
}
__global__ void reverse_without_barrier(int* out) {
  __shared__ int kept[96];
  kept[threadIdx.x] = static_cast<int>(threadIdx.x);
  out[threadIdx.x] = kept[95 - threadIdx.x];
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_barrier_waits_for_all_threads_of_each_block) {
  in_all_orders([] {
    on_device<int> out(5 * 96);
    launch(here, reverse, dim3(5), dim3(12, 8), 0, out.data());
    const auto found = out.read();
    for (int i = 0; i < 5 * 96; ++i) BOOST_TEST(found[i] == i / 96 * 1000 + 95 - i % 96);
  });
}
BOOST_AUTO_TEST_CASE(a_missing_barrier_shows) {
  in_all_orders([] {
    on_device<int> out(96);
    launch(here, reverse_without_barrier, dim3(1), dim3(96), 0, out.data());
    const auto found = out.read();
    BOOST_TEST(std::count(found.begin(), found.end(), -1) > 0);
  });
}

namespace {
__global__ void shuffle(int* out) {
  const int lane = static_cast<int>(threadIdx.x), mine = 100 + lane;
  out[lane] = __shfl_sync(full_warp, mine, 31 - lane);
  out[32 + lane] = __shfl_xor_sync(full_warp, mine, 5);
  out[64 + lane] = __shfl_up_sync(full_warp, mine, 3);
  out[96 + lane] = __shfl_down_sync(full_warp, mine, 3);
  out[128 + lane] = __shfl_sync(full_warp, mine, 3, 8);
  out[160 + lane] = __shfl_up_sync(full_warp, mine, 3, 8);
  out[192 + lane] = __shfl_down_sync(full_warp, mine, 3, 8);
  out[224 + lane] = static_cast<int>(__ballot_sync(full_warp, lane % 3 == 0));
  out[256 + lane] =
      __any_sync(full_warp, lane == 7) * 4 + __all_sync(full_warp, lane < 32) * 2 + __all_sync(full_warp, lane != 7);
  const unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  out[288 + lane] = __shfl_xor_sync(half, mine, 1);
}
__global__ void sums(float* out) {
  const float x = static_cast<float>(threadIdx.x);
  out[threadIdx.x] = warp_sum(x);
  out[96 + threadIdx.x] = warp_max(-x);
  out[192 + threadIdx.x] = block_sum<96>(x) + block_sum<96>(2 * x);
}
__global__ void votes(int* out) {
  const int t = static_cast<int>(threadIdx.x);
  out[t] = __syncthreads_count(t % 3 == 0);
  out[40 + t] = __syncthreads_or(t == 39) * 2 + __syncthreads_and(t != 39);
}
}  // namespace

BOOST_AUTO_TEST_CASE(lanes_exchange_values) {
  in_all_orders([] {
    on_device<int> out(320);
    launch(here, shuffle, dim3(1), dim3(32), 0, out.data());
    const auto f = out.read();
    for (int i = 0; i < 32; ++i) {
      BOOST_TEST(f[i] == 131 - i);
      BOOST_TEST(f[32 + i] == 100 + (i ^ 5));
      BOOST_TEST(f[64 + i] == 100 + (i < 3 ? i : i - 3));
      BOOST_TEST(f[96 + i] == 100 + (i > 28 ? i : i + 3));
      BOOST_TEST(f[128 + i] == 100 + i / 8 * 8 + 3);
      BOOST_TEST(f[160 + i] == 100 + (i % 8 < 3 ? i : i - 3));
      BOOST_TEST(f[192 + i] == 100 + (i % 8 > 4 ? i : i + 3));
      BOOST_TEST(f[224 + i] == 0x49249249);
      BOOST_TEST(f[256 + i] == 6);
      BOOST_TEST(f[288 + i] == 100 + (i ^ 1));
    }
  });
}
BOOST_AUTO_TEST_CASE(a_warp_of_few_threads_works_alone) {
  on_device<int> out(320);
  launch(here, shuffle, dim3(1), dim3(8), 0, out.data());
  const auto f = out.read();
  for (int i = 0; i < 8; ++i) {
    BOOST_TEST(f[i] == -1);  // lanes that are not there give nothing
    BOOST_TEST(f[128 + i] == 103);
    BOOST_TEST(f[224 + i] == 0x49);
  }
}
BOOST_AUTO_TEST_CASE(warps_and_blocks_sum) {
  in_all_orders([] {
    on_device<float> out(288);
    launch(here, sums, dim3(1), dim3(96), 0, out.data());
    const auto f = out.read();
    for (int i = 0; i < 96; ++i) {
      const int first = i / 32 * 32;
      BOOST_TEST(f[i] == static_cast<float>(32 * first + 31 * 16));
      BOOST_TEST(f[96 + i] == static_cast<float>(-first));
      BOOST_TEST(f[192 + i] == 3.f * 95 * 48);
    }
    on_device<int> counts(80);
    launch(here, votes, dim3(1), dim3(40), 0, counts.data());
    const auto c = counts.read();
    for (int i = 0; i < 40; ++i) {
      BOOST_TEST(c[i] == 14);
      BOOST_TEST(c[40 + i] == 2);
    }
  });
}

// --- fragments ---
namespace {
/// Fragments written out as the PTX ISA pictures them for mma.m16n8k16: element i of a lane.
struct cell {
  int row, col;
};
cell of_a(int lane, int i) {
  return {i < 2 || (i >= 4 && i < 6) ? lane >> 2 : (lane >> 2) + 8, (lane % 4) * 2 + (i & 1) + (i < 4 ? 0 : 8)};
}
cell of_b(int lane, int i) { return {(lane % 4) * 2 + (i & 1) + (i < 2 ? 0 : 8), lane >> 2}; }
cell of_d(int lane, int i) { return {i < 2 ? lane >> 2 : (lane >> 2) + 8, (lane % 4) * 2 + (i & 1)}; }

__global__ void multiply_fragments(float* d, const std::uint32_t* a, const std::uint32_t* b) {
  const int lane = static_cast<int>(threadIdx.x);
  std::uint32_t ra[4], rb[2];
  float rd[4];
  for (int i = 0; i < 4; ++i) ra[i] = a[4 * lane + i];
  for (int i = 0; i < 2; ++i) rb[i] = b[2 * lane + i];
  for (int i = 0; i < 4; ++i) rd[i] = static_cast<float>(i);
  mma_16x8x16(rd, ra, rb);
  for (int i = 0; i < 4; ++i) d[4 * lane + i] = rd[i];
}

/// D (16x8) = A (16x16) B: copied to shared memory, loaded as fragments; B as (16x8) row major or as (8x16).
template <bool FromRows>
__global__ void multiply_tiles(float* d, const bf16* a, const bf16* b) {
  auto* shared = dynamic_shared<std::uint16_t>();
  const int lane = static_cast<int>(threadIdx.x);
  copy_async_16(shared + 8 * lane, a + 8 * lane, true);
  if (lane < 16) copy_async_16(shared + 256 + 8 * lane, b + 8 * lane, true);
  copy_async_commit();
  copy_async_wait<0>();
  __syncwarp();
  std::uint32_t ra[4], rb[2];
  load_matrix_x4(ra, shared + lane % 16 * 16 + lane / 16 * 8);
  const int row = lane % 8, half = lane / 8 % 2;
  if constexpr (FromRows)
    load_matrix_x2_transposed(rb, shared + 256 + (8 * half + row) * 8);
  else
    load_matrix_x2(rb, shared + 256 + row * 16 + 8 * half);
  float rd[4] = {};
  mma_16x8x16(rd, ra, rb);
  for (int i = 0; i < 4; ++i) d[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = rd[i];
}

/// The transpose of 16x16, through x4_transposed.
__global__ void transpose(std::uint32_t* out, const bf16* in) {
  auto* shared = dynamic_shared<std::uint16_t>();
  const int lane = static_cast<int>(threadIdx.x);
  copy_async_16(shared + 8 * lane, in + 8 * lane, true);
  copy_async_commit();
  copy_async_wait<0>();
  __syncthreads();
  std::uint32_t r[4];
  load_matrix_x4_transposed(r, shared + lane % 16 * 16 + lane / 16 * 8);
  for (int m = 0; m < 4; ++m)  // matrix m: rows 8 (m % 2), columns 8 (m / 2) of `in`
    out[(8 * (m / 2) + lane / 4) * 8 + 4 * (m % 2) + lane % 4] = r[m];
}

float plain(const values<float>& a, const values<float>& b, int row, int col) {
  double sum = 0;
  for (int k = 0; k < 16; ++k) sum += static_cast<double>(a[row * 16 + k]) * b[k * 8 + col];
  return static_cast<float>(sum);
}
}  // namespace

BOOST_AUTO_TEST_CASE(mma_multiplies_the_fragments_of_the_ptx_isa) {
  const auto a = random_floats(256, 1), b = random_floats(128, 2);
  values<std::uint32_t> fa(128, 0), fb(64, 0);
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 8; ++i) {
      const auto [row, col] = of_a(lane, i);
      fa[4 * lane + i / 2] |= std::uint32_t{bf16(a[row * 16 + col]).bits} << 16 * (i % 2);
    }
    for (int i = 0; i < 4; ++i) {
      const auto [row, col] = of_b(lane, i);
      fb[2 * lane + i / 2] |= std::uint32_t{bf16(b[row * 8 + col]).bits} << 16 * (i % 2);
    }
  }
  in_all_orders([&] {
    on_device<float> d(128);
    on_device<std::uint32_t> da(fa), db(fb);
    launch(here, multiply_fragments, dim3(1), dim3(32), 0, d.data(), da.data(), db.data());
    const auto found = d.read();
    for (int lane = 0; lane < 32; ++lane)
      for (int i = 0; i < 4; ++i) {
        const auto [row, col] = of_d(lane, i);
        BOOST_TEST(std::abs(found[4 * lane + i] - (plain(a, b, row, col) + static_cast<float>(i))) < 2e-6f);
      }
  });
}
BOOST_AUTO_TEST_CASE(tiles_go_by_async_copy_and_ldmatrix_into_mma) {
  const auto a = random_floats(256, 3), b = random_floats(128, 4);
  values<float> b_transposed(128);
  for (int k = 0; k < 16; ++k)
    for (int col = 0; col < 8; ++col) b_transposed[col * 16 + k] = b[k * 8 + col];
  in_all_orders([&] {
    on_device<bf16> da(narrow(a)), db(narrow(b)), dbt(narrow(b_transposed));
    on_device<float> d(128), e(128);
    launch(here, multiply_tiles<true>, dim3(1), dim3(32), 768, d.data(), da.data(), db.data());
    launch(here, multiply_tiles<false>, dim3(1), dim3(32), 768, e.data(), da.data(), dbt.data());
    const auto fd = d.read(), fe = e.read();
    for (int i = 0; i < 128; ++i) {
      BOOST_TEST(std::abs(fd[i] - plain(a, b, i / 8, i % 8)) < 2e-6f);
      BOOST_TEST(fe[i] == fd[i]);
    }
    on_device<std::uint32_t> t(128);
    launch(here, transpose, dim3(1), dim3(32), 512, t.data(), da.data());
    const auto ft = t.read();
    for (int i = 0; i < 128; ++i) {
      const int row = i / 8, col = i % 8 * 2;
      BOOST_TEST(ft[i] == pack_bf16(a[col * 16 + row], a[(col + 1) * 16 + row]));
    }
  });
}
BOOST_AUTO_TEST_CASE(small_functions) {
  BOOST_TEST(exp2_fast(3.f) == 8.f);
  BOOST_TEST(exp2_fast(-INFINITY) == 0.f);
  BOOST_TEST(exp2_fast(-140.f) == 0.f);
  BOOST_TEST(pack_bf16(1.f, -2.f) == 0xc0003f80u);
  BOOST_TEST(pack_bf16(1.00390625f, 1.01171875f) == 0x3f823f80u);  // ties go to even
  BOOST_TEST(pack_bf16(NAN, 0.f) == 0x7fffu);
}

// --- memory of a block ---
namespace {
__global__ void copy_in_groups(float* out, const float* in) {
  auto* kept = dynamic_shared<float>();
  const int t = static_cast<int>(threadIdx.x);
  for (int i = 0; i < 8; ++i) kept[8 * t + i] = 7;
  copy_async_16(kept + 8 * t, in + 4 * t, t % 2 == 0);
  copy_async_commit();
  copy_async_16(kept + 8 * t + 4, in + 4 * t, true);
  copy_async_commit();
  out[4 * t] = kept[8 * t];
  copy_async_wait<1>();
  out[4 * t + 1] = kept[8 * t];
  out[4 * t + 2] = kept[8 * t + 4];
  copy_async_wait<0>();
  out[4 * t + 3] = kept[8 * t + 4];
}
__global__ void fill_shared(float* out, int n) {
  auto* kept = dynamic_shared<float>();
  __shared__ float fixed[4];
  if (threadIdx.x == 0) {
    out[2 * blockIdx.x] = kept[n - 1];
    out[2 * blockIdx.x + 1] = fixed[3];
    fixed[3] = 1;
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) kept[i] = 1;
}
}  // namespace

BOOST_AUTO_TEST_CASE(async_copies_arrive_when_waited_for_and_fill_with_zeros) {
  const auto in = random_floats(4 * 32, 5);
  in_all_orders([&] {
    on_device<float> from(in), out(4 * 32);
    launch(here, copy_in_groups, dim3(1), dim3(32), 1024, out.data(), from.data());
    const auto f = out.read();
    for (int t = 0; t < 32; ++t) {
      BOOST_TEST(std::isnan(f[4 * t]));
      BOOST_TEST(f[4 * t + 1] == (t % 2 == 0 ? in[4 * t] : 0.f));
      BOOST_TEST(std::isnan(f[4 * t + 2]));
      BOOST_TEST(f[4 * t + 3] == in[4 * t]);
    }
  });
}
BOOST_AUTO_TEST_CASE(shared_memory_is_unwritten_in_each_block_and_limited) {
  for (const int bytes : {64, 48 * 1024, 100 * 1024, 227 * 1024}) {
    on_device<float> out(6);
    launch(here, fill_shared, dim3(3), dim3(64), static_cast<std::size_t>(bytes), out.data(), bytes / 4);
    for (float x : out.read()) BOOST_TEST(std::isnan(x));
  }
  on_device<float> out(6);
  const auto past_the_end = [&] { launch(here, fill_shared, dim3(3), dim3(64), 64, out.data(), 17); };
  stops(past_the_end, {"past the end of its dynamic shared memory", "block (0, 0, 0)"});
  BOOST_CHECK_THROW(launch(here, fill_shared, dim3(1), dim3(64), 227 * 1024 + 4, out.data(), 1), device_error);
  BOOST_CHECK_THROW(launch(here, fill_shared, dim3(1), dim3(1025), 0, out.data(), 1), device_error);
  BOOST_CHECK_THROW(launch(here, fill_shared, dim3(1), dim3(64, 17), 0, out.data(), 1), device_error);
  BOOST_CHECK_THROW(launch(here, fill_shared, dim3(1, 65536), dim3(64), 0, out.data(), 1), device_error);
  BOOST_CHECK_THROW(launch(here, fill_shared, dim3(1), dim3(0), 0, out.data(), 1), device_error);
  launch(here, fill_shared, dim3(0), dim3(64), 0, out.data(), 1);  // nothing
  BOOST_TEST(cudaGetLastError() == cudaSuccess);
}
BOOST_AUTO_TEST_CASE(dynamic_shared_memory_above_48_kib_is_asked_for) {
  cudaLaunchConfig_t config{};
  config.gridDim = config.blockDim = dim3(1);
  config.dynamicSmemBytes = 49 * 1024;
  BOOST_TEST(cudaLaunchKernelEx(&config, reverse_without_barrier, nullptr) == cudaErrorInvalidValue);
  BOOST_TEST(cudaGetLastError() == cudaErrorInvalidValue);
}
