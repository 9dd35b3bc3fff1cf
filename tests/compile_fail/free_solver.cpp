// SPDX-License-Identifier: Apache-2.0
// A solver that walks by itself takes a run and its times.
// expect: free_solver
#include "transfusion/diffusion/solver/run.hpp"

namespace tf = transfusion;

struct walker {
#ifdef TRANSFUSION_KO
  void operator()(tf::solver_run& run) const { run.reached(run.level(0)); }
#else
  void operator()(tf::solver_run& run, const std::vector<double>& times) const { run.reached(run.level(times.back())); }
#endif
};

static_assert(tf::free_solver<walker>);
