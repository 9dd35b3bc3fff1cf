// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Stands in front of the CUDA runtime: kernels are C++ that runs on the CPU, a fiber a CUDA thread.

#define __global__
#define __device__
#define __host__
#define __shared__ static thread_local
#define __constant__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

#include "emulator/launch.hpp"
#include "emulator/math.hpp"
#include "emulator/runtime.hpp"
#include "emulator/vector_types.hpp"
#include "emulator/warp.hpp"
