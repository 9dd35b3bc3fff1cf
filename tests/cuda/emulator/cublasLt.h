// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Stands in front of cuBLASLt: products of float and bf16 matrices in float, by plain loops on the CPU.

#include "emulator/blas_matmul.hpp"
#include "emulator/blas_types.hpp"
