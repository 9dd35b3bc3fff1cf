// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/diffusion/solver/straight_path.hpp"

namespace transfusion::solver {

/// The classical Runge–Kutta method of order 4, four evaluations a step (Kutta 1901). The step to the clean image is
/// Ralston's of order 3, whose three evaluations stay above it (Ralston 1962, eq. 3.4).
struct rk4 {
  void operator()(solver_run& run, const std::vector<double>& times) const {
    static constexpr detail::tableau<4> kutta = {
        {0, 1.0 / 2, 1.0 / 2, 1}, {{}, {1.0 / 2}, {0, 1.0 / 2}, {0, 0, 1}}, {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6}};
    static constexpr detail::tableau<3> ralston = {
        {0, 1.0 / 2, 3.0 / 4}, {{}, {1.0 / 2}, {0, 3.0 / 4}}, {2.0 / 9, 1.0 / 3, 4.0 / 9}};
    detail::runge_kutta("rk4", run, times, kutta, ralston);
  }
};

}  // namespace transfusion::solver
