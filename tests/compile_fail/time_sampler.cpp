// SPDX-License-Identifier: Apache-2.0
// A time sampler is told whether the image stands first.
// expect: time_sampler
// expect: sampler(u, image_first)
#include "transfusion/diffusion/concepts.hpp"

struct squared {
#ifdef TRANSFUSION_KO
  double operator()(double u) const { return u * u; }
#else
  double operator()(double u, bool) const { return u * u; }
#endif
};

static_assert(transfusion::time_sampler<squared>);
