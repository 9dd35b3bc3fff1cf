// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// cos and sin of t at `width`/2 frequencies from 1 down to 1/max_period (Vaswani et al. 2017; Ho et al. 2020). t: [I]
/// on the device; result: [I, width], cosines first. No gradient.
template <class Exec>
var<Exec> timestep_embedding(tape<Exec>& tape, view<const typename Exec::real, 1> t, index_t width,
                             double max_period = 10000) {
  auto y = tape.constant(tape.saved(t.size(), width));
  tape.exec().timestep_embedding(y.value(), t, max_period);
  return y;
}

}  // namespace transfusion
