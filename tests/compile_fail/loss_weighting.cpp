// SPDX-License-Identifier: Apache-2.0
// A weighting gives a number for a level and a target.
// expect: loss_weighting
// expect: weighting(level, target)
#include "transfusion/diffusion/concepts.hpp"

struct by_signal {
#ifdef TRANSFUSION_KO
  double operator()(double time) const { return 1 - time; }
#else
  double operator()(transfusion::noise_level level, transfusion::coefficients) const { return level.signal; }
#endif
};

static_assert(transfusion::loss_weighting<by_signal>);
