// SPDX-License-Identifier: Apache-2.0
// The emulator stops on wrong kernels and says why.
#define BOOST_TEST_MODULE cuda_emulator_misuse
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstring>
#include <vector>

#include "emulator/testing.hpp"
#include "transfusion/cuda/device.cuh"

using namespace emulator_tests;

namespace {
__global__ void leaves_early(int n) {
  if (static_cast<int>(threadIdx.x) >= n) return;
  __syncthreads();
}
__global__ void two_barriers() {
  if (threadIdx.x < 7)
    __syncthreads();
  else
    __syncthreads();
}
__global__ void barrier_against_shuffle(int* out) {
  if (threadIdx.x % 32 < 7) __syncthreads();
  out[threadIdx.x] = __shfl_xor_sync(full_warp, 1, 1);
}
__global__ void two_shuffles(int* out) {
  if (threadIdx.x < 7)
    out[threadIdx.x] = __shfl_xor_sync(full_warp, 1, 1);
  else
    out[threadIdx.x] = __shfl_xor_sync(full_warp, 1, 1);
}
__global__ void foreign_mask() { __syncwarp(1u << (threadIdx.x + 1) % 32); }
__global__ void bad_copy(const float* from, int to_offset, int from_offset) {
  copy_async_16(dynamic_shared<float>() + to_offset, from + from_offset, true);
}
__global__ void bad_rows(const std::uint16_t* global, int offset) {
  std::uint32_t r[2];
  load_matrix_x2(r, offset < 0 ? global : dynamic_shared<std::uint16_t>() + offset);
}
__global__ void write_at(float* p, int i) { p[i] = 1; }
}  // namespace

BOOST_AUTO_TEST_CASE(divergence_stops) {
  on_device<int> out(64);
  stops([] { launch(here, leaves_early, dim3(2), dim3(64), 0, 40); },
        {"leaves_early", "emulator_misuse_test.cpp", "block (0, 0, 0)", "has left the kernel", "__syncthreads"});
  stops([] { launch(here, two_barriers, dim3(1), dim3(64), 0); }, {"two_barriers", "another __syncthreads"});
  stops([&] { launch(here, barrier_against_shuffle, dim3(1), dim3(64), 0, out.data()); }, {"can never go on"});
  stops([&] { launch(here, two_shuffles, dim3(1), dim3(32), 0, out.data()); }, {"another warp function"});
  stops([] { launch(here, foreign_mask, dim3(1), dim3(32), 0); }, {"mask that does not name it"});
  launch(here, leaves_early, dim3(2), dim3(64), 0, 64);  // a good kernel runs after bad ones
}
BOOST_AUTO_TEST_CASE(misaligned_and_foreign_addresses_stop) {
  on_device<float> from(8);
  on_device<std::uint16_t> global(8);
  const auto copy = [&](int to, int at) { launch(here, bad_copy, dim3(1), dim3(1), 64, from.data(), to, at); };
  copy(4, 4);
  stops([&] { copy(1, 0); }, {"bad_copy", "shared address that is not 16-byte aligned"});
  stops([&] { copy(0, 2); }, {"global address that is not 16-byte aligned"});
  stops([&] { copy(16, 0); }, {"outside shared memory"});
  stops([&] { copy(0, 8); }, {"outside device memory"});
  const auto rows = [&](int offset) { launch(here, bad_rows, dim3(1), dim3(32), 64, global.data(), offset); };
  rows(8);
  stops([&] { rows(4); }, {"not 16-byte aligned"});
  stops([&] { rows(-1); }, {"outside shared memory"});
  stops([&] { launch(here, bad_rows, dim3(1), dim3(31), 64, global.data(), 0); }, {"without all 32 lanes"});
}
BOOST_AUTO_TEST_CASE(device_memory_is_unwritten_guarded_and_checked) {
  {
    on_device<float> a(3);
    for (float x : a.read()) BOOST_TEST(std::isnan(x));
    std::vector<float> host(4);
    const auto download = [&](int n) {
      return cudaMemcpy(host.data(), a.data(), static_cast<std::size_t>(n) * 4, cudaMemcpyDeviceToHost);
    };
    BOOST_TEST(download(3) == cudaSuccess);
    BOOST_TEST(download(4) == cudaErrorInvalidValue);
    BOOST_TEST(cudaMemcpy(a.data(), host.data(), 4, cudaMemcpyDeviceToDevice) == cudaErrorInvalidValue);
    BOOST_TEST(cudaMemset(a.data(), 0, 16) == cudaErrorInvalidValue);
    BOOST_TEST(cudaMemset(a.data(), 0, 12) == cudaSuccess);
    BOOST_TEST(a.read()[2] == 0.f);
    cudaGetLastError();
  }
  float* p = nullptr;
  BOOST_TEST(cudaMalloc(&p, std::size_t{1} << 50) == cudaErrorMemoryAllocation);
  for (int i : {-1, 3}) {
    BOOST_REQUIRE(cudaMalloc(&p, 12) == cudaSuccess);
    BOOST_CHECK_THROW(launch(here, write_at, dim3(1), dim3(1), 0, p, i), std::logic_error);
    std::memset(p + i, 0xff, 4);
    BOOST_TEST(cudaFree(p) == cudaSuccess);
    BOOST_TEST(std::isnan(p[0]));  // freed memory rests, poisoned
  }
  BOOST_TEST(cudaFree(p) == cudaErrorInvalidValue);
  cudaGetLastError();
}
BOOST_AUTO_TEST_CASE(writes_into_freed_memory_are_found) {
  constexpr std::size_t bytes = std::size_t{2} << 20;
  float *p = nullptr, *again = nullptr;
  BOOST_REQUIRE(cudaMalloc(&p, bytes) == cudaSuccess);
  BOOST_REQUIRE(cudaFree(p) == cudaSuccess);
  p[1000] = 1;
  BOOST_CHECK_THROW(cudaMalloc(&again, bytes), std::logic_error);
}
