// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// y = x where x > 0 and slope · x elsewhere (Maas et al. 2013, eq. 3); slope 0 is ReLU. x, y: [N, D].
template <class Exec>
var<Exec> leaky_relu(tape<Exec>& tape, var<Exec> x, double slope) {
  auto y = tape.variable(x.rows(), x.cols());
  tape.exec().leaky_relu(y.value(), x.value(), slope);
  tape.on_backward([=](auto& t) {
    if (const auto dx = t.sink(x)) t.exec().leaky_relu_backward(dx, t.gradient(y), x.value(), slope);
  });
  return y;
}

}  // namespace transfusion
