// SPDX-License-Identifier: Apache-2.0
// A schedule needs both scalars: the misspelt noise is refused where a level is asked for.
// expect: noise_schedule
// expect: schedule.noise(t)
#include "transfusion/diffusion/level.hpp"

struct straight {
  constexpr double signal(double t) const { return 1 - t; }
#ifdef TRANSFUSION_KO
  constexpr double nois(double t) const { return t; }
#else
  constexpr double noise(double t) const { return t; }
#endif
};

static_assert(transfusion::level_at(straight{}, 0.25).signal == 0.75);
