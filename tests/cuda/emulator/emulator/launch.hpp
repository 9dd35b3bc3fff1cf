// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <tuple>
#include <utility>

#include "emulator/math.hpp"
#include "emulator/runtime.hpp"

namespace emulator {

/// The dynamic shared memory that each kernel may ask for, where it was raised.
inline std::map<const void*, std::size_t>& raised_limits() {
  static std::map<const void*, std::size_t> limits;
  return limits;
}

inline cudaError_t launch_status(const cudaLaunchConfig_t& c, const void* kernel) {
  const dim3 g = c.gridDim, b = c.blockDim;
  const bool grid = g.x > 0 && g.y > 0 && g.z > 0 && g.x <= 0x7fffffffu && g.y <= 65535 && g.z <= 65535;
  const bool block = b.x > 0 && b.y > 0 && b.z > 0 && b.x <= 1024 && b.y <= 1024 && b.z <= 64;
  if (!grid || !block || b.x * b.y * b.z > 1024) return cudaErrorInvalidConfiguration;
  const auto raised = raised_limits().find(kernel);
  const std::size_t limit = raised == raised_limits().end() ? shared_default : raised->second;
  return c.dynamicSmemBytes <= limit ? cudaSuccess : cudaErrorInvalidValue;
}

template <class... P>
struct call {
  void (*kernel)(P...);
  std::tuple<P...> arguments;

  static void run(const void* self_) {
    const auto& self = *static_cast<const call*>(self_);
    std::apply(self.kernel, self.arguments);
  }
};

}  // namespace emulator

inline cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || static_cast<std::size_t>(value) > emulator::shared_opt_in)
    return emulator::result(cudaErrorInvalidValue);
  emulator::raised_limits()[kernel] = static_cast<std::size_t>(value);
  return cudaSuccess;
}
template <class... P>
cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), attribute, value);
}
inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* a, const void* kernel) {
  if (!kernel) return emulator::result(cudaErrorInvalidDeviceFunction);
  *a = {};
  a->maxThreadsPerBlock = 1024;
  a->numRegs = 32;
  a->ptxVersion = a->binaryVersion = 10 * emulator::major + emulator::minor;
  return cudaSuccess;
}
template <class... P>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* a, void (*kernel)(P...)) {
  return cudaFuncGetAttributes(a, reinterpret_cast<const void*>(kernel));
}
template <class... P>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void (*)(P...), int threads,
                                                          std::size_t shared_bytes) {
  *blocks = 2048 / threads;
  if (shared_bytes > 0) *blocks = min(*blocks, static_cast<int>(emulator::shared_limit / shared_bytes));
  return cudaSuccess;
}

/// Runs the whole grid. Limits give an error as the device does; a misuse inside a kernel throws std::logic_error.
template <class... P, class... A>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(P...), A&&... arguments) {
  const cudaError_t status = emulator::launch_status(*config, reinterpret_cast<const void*>(kernel));
  if (status != cudaSuccess) return emulator::result(status);
  const emulator::call<P...> call{kernel, {static_cast<P>(std::forward<A>(arguments))...}};
  const auto run = [call, c = *config] {
    emulator::device().launch(c.gridDim, c.blockDim, c.dynamicSmemBytes, &emulator::call<P...>::run, &call);
    emulator::memory().check_edges();
  };
  if (!emulator::captured(run)) run();
  return cudaSuccess;
}
