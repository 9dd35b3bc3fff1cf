// SPDX-License-Identifier: Apache-2.0
// A solver gives the coefficients of a step; it does not take the step itself.
// expect: diffusion_solver
#include "transfusion/diffusion/concepts.hpp"

struct stay {
#ifdef TRANSFUSION_KO
  void step(transfusion::noise_level, transfusion::noise_level) const {}
#else
  transfusion::solver_step step(transfusion::noise_level, transfusion::noise_level) const { return {}; }
#endif
};

static_assert(transfusion::diffusion_solver<stay>);
