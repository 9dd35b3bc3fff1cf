// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <type_traits>

#include "transfusion/cuda/context.cuh"

namespace transfusion {
namespace cuda {

/// Dense bf16 operations a second of a whole device by NVIDIA's data sheets, from the device's name; 0: not known.
inline double nominal_bf16_rate(std::string_view name) {
  struct entry {
    std::string_view part;
    double teraflops;
  };
  const auto has = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
  if (has("MIG")) return 0;  // a part of a device
  for (const entry& e : std::initializer_list<entry>{
           {"H100 PCIe", 756}, {"H100 NVL", 835}, {"H200 NVL", 835}, {"H100", 989}, {"H200", 989}, {"A100", 312}})
    if (has(e.part)) return 1e12 * e.teraflops;
  return 0;
}

}  // namespace cuda

template <class Scalar>
double cuda_exec<Scalar>::nominal_matmul_rate() const {
  return std::is_same_v<Scalar, bf16> ? cuda::nominal_bf16_rate(info().name) : 0;
}

template <class Scalar>
double cuda_exec<Scalar>::matmul_rate() {
  if (context_->matmul_rate > 0) return context_->matmul_rate;
  context_->use();
  const index_t side = index_t{64} * context_->multiprocessors, count = side * side;  // large enough for any device
  void* memory = nullptr;  // not the pool's: its peak is that of the work that is measured against this rate
  if (cudaMalloc(&memory, static_cast<std::size_t>(count) * (sizeof(float) + sizeof(Scalar))) != cudaSuccess) {
    cudaGetLastError();
    return 0;
  }
  const std::unique_ptr<void, void (*)(void*)> owner(memory, [](void* p) { cudaFree(p); });
  const view<float, 1> normals(static_cast<float*>(memory), count);
  const matrix x(reinterpret_cast<Scalar*>(normals.data + count), side, side);
  const matrix y(static_cast<Scalar*>(memory), side, side);  // over the normal numbers, which x then has
  normal(normals, {1, 0, stream::test}, 1);                  // of zeros a device makes faster products
  narrow(x.flat(), normals);
  const auto seconds = [&] {
    synchronize();
    const auto begin = std::chrono::steady_clock::now();
    linear(y, x, x, {});
    synchronize();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  seconds();  // plans the product
  double least = seconds();
  for (int again = 0; again < 4; ++again) least = std::min(least, seconds());
  const double extent = static_cast<double>(side);
  return context_->matmul_rate = 2 * extent * extent * extent / least;
}

}  // namespace transfusion
