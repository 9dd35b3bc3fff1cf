// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <type_traits>
#include <utility>

#include "transfusion/core/error.hpp"
#include "transfusion/core/host_device.hpp"
#include "transfusion/core/types.hpp"

namespace transfusion::detail {

/// Mixes numbers into one (Steele et al. 2014, the finaliser of SplitMix64).
inline std::uint64_t mixed(std::uint64_t so_far, std::uint64_t next) {
  std::uint64_t z = so_far + 0x9E3779B97F4A7C15u + next;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace transfusion::detail

namespace transfusion::cuda {

/// Throws device_error with `what` failed and the device's own reason, unless `status` is success.
inline void check(cudaError_t status, const char* what) {
  require<device_error>(status == cudaSuccess, what, ": ", cudaGetErrorName(status), ", ", cudaGetErrorString(status));
}

/// a / b rounded up; a >= 0, b > 0.
TRANSFUSION_HD constexpr index_t ceil_div(index_t a, index_t b) { return (a + b - 1) / b; }

namespace launch_detail {

/// Up to 48 KiB need no asking, static arrays included, of which no kernel of ours has more than 32 KiB.
constexpr std::size_t shared_bytes_of_any_kernel = 16 * 1024;

[[noreturn]] inline void refuse(cudaError_t status, dim3 grid, dim3 block, std::size_t shared_bytes) {
  throw device_error(detail::message("launch of ", grid.x, " x ", grid.y, " x ", grid.z, " blocks of ", block.x, " x ",
                                     block.y, " x ", block.z, " threads with ", shared_bytes,
                                     " bytes of dynamic shared memory: ", cudaGetErrorName(status), ", ",
                                     cudaGetErrorString(status)));
}

}  // namespace launch_detail

namespace launch_detail {

/// A number for what can be told of an argument: pointers, whole numbers, and structs of them without gaps.
template <class T>
std::uint64_t trace_of(const T& argument) {
  std::uint64_t number = sizeof(T);
  if constexpr (std::has_unique_object_representations_v<T>) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(&argument);
    for (std::size_t i = 0; i < sizeof(T); i += sizeof number) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes + i, std::min(sizeof word, sizeof(T) - i));
      number = detail::mixed(number, word);
    }
  }
  return number;
}

/// Whether the context notes its work, and wants this launch left out.
template <class Context, class... A>
bool skipped(Context& c, const void* kernel, dim3 grid, dim3 block, const A&... args) {
  if constexpr (requires { c.recorder.skips(0); }) {
    if (c.recorder.now == decltype(c.recorder)::mode::off) return false;
    std::uint64_t what = trace_of(kernel);
    for (unsigned extent : std::initializer_list<unsigned>{grid.x, grid.y, grid.z, block.x, block.y, block.z})
      what = detail::mixed(what, extent);
    ((what = detail::mixed(what, trace_of(args))), ...);
    return c.recorder.skips(what);
  }
  return false;
}

}  // namespace launch_detail

/// Starts `kernel` on `c.stream` (a detail::cuda_context) with the arguments turned into its parameters' types.
/// An empty grid does nothing. Throws device_error where the device refuses.
template <class Context, class... P, class... A>
void launch(Context& c, void (*kernel)(P...), dim3 grid, dim3 block, std::size_t dynamic_shared_bytes, A&&... args) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  if (launch_detail::skipped(c, reinterpret_cast<const void*>(kernel), grid, block, args...)) return;
  if constexpr (requires { c.use(); }) c.use();  // a stream takes kernels of its own device only
  cudaError_t status = cudaSuccess;
  if (dynamic_shared_bytes > launch_detail::shared_bytes_of_any_kernel)
    status = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(dynamic_shared_bytes));
  if (status == cudaSuccess) {
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = dynamic_shared_bytes;
    config.stream = c.stream;
    status = cudaLaunchKernelEx(&config, kernel, std::forward<A>(args)...);
  }
  if (status == cudaSuccess) return;
  cudaGetLastError();  // the error is reported here: later calls start clean
  launch_detail::refuse(status, grid, block, dynamic_shared_bytes);
}

}  // namespace transfusion::cuda
