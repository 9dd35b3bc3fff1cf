// SPDX-License-Identifier: Apache-2.0
#pragma once

// g++ 12 warns of its own AVX-512 intrinsics once they are inlined into Eigen.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <Eigen/Core>
#include <Eigen/Eigenvalues>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
