// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tuple>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/reference.hpp"
#ifdef TRANSFUSION_TEST_CUDA
#include "transfusion/cuda/exec_impl.cuh"
#endif

// The execution policies that one body of a test runs on: BOOST_AUTO_TEST_CASE_TEMPLATE(name, Exec, policies).
// With TRANSFUSION_TEST_CUDA the same bodies are compiled for the CUDA policy.
namespace test_support {

#ifdef TRANSFUSION_TEST_CUDA
using policies = std::tuple<transfusion::cuda_exec<float>>;
#else
using policies =
    std::tuple<transfusion::reference_exec<double>, transfusion::cpu_exec<float>, transfusion::cpu_exec<double>>;

/// Those whose gradients can be checked against differences.
using double_policies = std::tuple<transfusion::reference_exec<double>, transfusion::cpu_exec<double>>;
#endif

}  // namespace test_support
