// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/diffusion/solver/straight_path.hpp"

namespace transfusion::solver {

/// The midpoint method of order 2, two evaluations a step (Runge 1895; Hairer, Nørsett & Wanner, II.1, eq. 1.4). The
/// middle is that of the share of noise.
struct midpoint {
  void operator()(solver_run& run, const std::vector<double>& times) const {
    static constexpr detail::tableau<2> method = {{0, 1.0 / 2}, {{}, {1.0 / 2}}, {0, 1}};
    detail::runge_kutta("midpoint", run, times, method, method);
  }
};

}  // namespace transfusion::solver
