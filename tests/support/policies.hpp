// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tuple>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/reference.hpp"

// The execution policies that one body of a test runs on: BOOST_AUTO_TEST_CASE_TEMPLATE(name, Exec, policies).
namespace test_support {

using policies =
    std::tuple<transfusion::reference_exec<double>, transfusion::cpu_exec<float>, transfusion::cpu_exec<double>>;

/// Those whose gradients can be checked against differences.
using double_policies = std::tuple<transfusion::reference_exec<double>, transfusion::cpu_exec<double>>;

}  // namespace test_support
