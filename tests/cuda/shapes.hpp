// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/rounding.hpp"
#include "cuda/tolerances.hpp"
#include "transfusion/cuda/memory.cuh"

// What the tests of operations on rows share: every shape, on both policies, with draws of its own.
namespace cuda_tests {

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
