// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/diffusion/solver/straight_path.hpp"

namespace transfusion::solver {

/// Heun's method of order 2, two evaluations a step (Karras et al. 2022, algorithm 1); Euler's for the step to the
/// clean image.
struct heun {
  void operator()(solver_run& run, const std::vector<double>& times) const {
    static constexpr detail::tableau<2> method = {{0, 1}, {{}, {1}}, {1.0 / 2, 1.0 / 2}};
    detail::runge_kutta("heun", run, times, method, detail::euler_tableau);
  }
};

}  // namespace transfusion::solver
