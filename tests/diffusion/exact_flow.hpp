// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <vector>

#include "diffusion/exact_run.hpp"

// How far a solver ends from the exact probability flow.
namespace solver_test {

inline const mixture one_normal{{{1, 0.4, 0.6}}};
inline const mixture two_normals{{{0.35, -0.7, 0.3}, {0.65, 0.5, 0.4}}};
inline const std::vector<double> starts = {-1.6, -0.7, -0.1, 0.3, 0.9, 2.1};

inline std::vector<double> even_times(double from, double to, int steps) {
  std::vector<double> times;
  for (int k = 0; k < steps; ++k) times.push_back(from + (to - from) * k / steps);
  times.push_back(to);
  return times;
}

/// The largest distance of the solver's end from the exact flow's.
template <class Schedule, class Solver>
double distance_from_flow(const Solver& solver, const mixture& data, const std::vector<double>& times) {
  exact_run<Schedule> run(data, starts);
  tf::solve(solver, run, times);
  double worst = 0;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const double exact =
        data.flow(starts[i], tf::level_at(Schedule{}, times.front()), tf::level_at(Schedule{}, times.back()));
    worst = std::fmax(worst, std::abs(run.values()[i] - exact));
  }
  return worst;
}

}  // namespace solver_test
