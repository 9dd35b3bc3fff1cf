// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/diffusion/level.hpp"

namespace transfusion {

/// The time in [0, 1] at which noise/signal of a schedule reaches `ratio`, by bisection to the last bit; 1 where it
/// does not get that far. The ratio must not fall with time.
template <noise_schedule Schedule>
double time_of_ratio(const Schedule& schedule, double ratio) {
  double below = 0, above = 1;
  while (true) {
    const double middle = 0.5 * (below + above);
    if (middle <= below || middle >= above) return above;
    (schedule.noise(middle) < ratio * schedule.signal(middle) ? below : above) = middle;
  }
}

}  // namespace transfusion
