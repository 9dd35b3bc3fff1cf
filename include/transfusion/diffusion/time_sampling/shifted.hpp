// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/error.hpp"
#include "transfusion/diffusion/time_sampling/uniform.hpp"

namespace transfusion::time_sampling {

/// The times t of another sampler moved to s·t/(1 + (s − 1)·t) (Esser et al. 2024, eq. 23; BAGEL): noise/signal of a
/// rectified flow becomes s times as large. More noise for s > 1, as larger images want it: s = √(values/values of the
/// smaller image). Another shift is set in a struct that derives from it.
template <class Base = uniform>
struct shifted {
  double shift = 3;
  Base base{};

  static constexpr bool shares_level_in_document = requires { requires Base::shares_level_in_document; };

  /// Throws `config_error` unless the shift is above 0.
  constexpr double operator()(double u, bool image_first) const {
    if (!(shift > 0))
      throw config_error(detail::message("time_sampling::shifted: found ", shift, ", expected above 0"));
    const double t = base(u, image_first);
    return shift * t / (1 + (shift - 1) * t);
  }
};

}  // namespace transfusion::time_sampling
