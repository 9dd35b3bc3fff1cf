// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/rounding.hpp"
#include "cuda/tolerances.hpp"
#include "transfusion/cuda/memory.cuh"

// What the tests of operations on rows share: every shape, on both policies, with draws of its own.
namespace cuda_tests {

struct norm_shape {
  index_t rows, cols, offset;
};
/// Every kernel of a norm: a row to a warp and to a block, one, two and four packs a thread, the widest, and those that
/// fit no pack.
inline constexpr norm_shape norm_shapes[] = {{0, 8, 0},     {1, 1, 0},    {9, 7, 0},    {33, 64, 0},   {33, 64, 1},
                                             {100, 200, 0}, {70, 256, 0}, {5, 512, 0},  {37, 1000, 0}, {3, 1025, 0},
                                             {35, 1536, 0}, {3, 2048, 0}, {2, 3000, 1}, {2, 4096, 0},  {3, 4104, 0},
                                             {18, 8192, 0}, {1, 8300, 0}};

/// Calls f(exec, reference, shape, draws) for all shapes.
template <class Scalar, class Shapes, class F>
void for_shapes(const Shapes& shapes, F f) {
  cuda_exec<Scalar> exec;
  reference_exec<double> reference;
  unsigned seed = 0;
  for (const auto& s : shapes) {
    draws d(++seed);
    f(exec, reference, s, d);
  }
}

}  // namespace cuda_tests
