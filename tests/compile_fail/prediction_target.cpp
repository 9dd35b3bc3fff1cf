// SPDX-License-Identifier: Apache-2.0
// A target is two named coefficients, not a bare number.
// expect: prediction_target
#include "transfusion/diffusion/concepts.hpp"

struct half_noise {
#ifdef TRANSFUSION_KO
  static constexpr double of(double, double b) { return b / 2; }
#else
  static constexpr transfusion::coefficients of(double, double b) { return {.data = 0, .noise = b / 2}; }
#endif
};

static_assert(transfusion::prediction_target<half_noise>);
