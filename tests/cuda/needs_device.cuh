// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>

namespace cuda_tests {

/// Ends a test program as skipped, before its first case, where there is no device to run it.
struct needs_device {
  needs_device() {
    int count = 0;
    if (cudaGetDeviceCount(&count) == cudaSuccess && count > 0) return;
    std::puts("skipped: no CUDA device");
    std::exit(77);
  }
};
inline const needs_device device_needed;

}  // namespace cuda_tests
