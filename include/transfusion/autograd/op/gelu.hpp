// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// y = x · Φ(x), elementwise, Φ the normal distribution function by erf (Hendrycks & Gimpel 2016, §2). x, y: [N, D].
template <class Exec>
var<Exec> gelu(tape<Exec>& tape, var<Exec> x) {
  auto y = tape.variable(x.rows(), x.cols());
  tape.exec().gelu(y.value(), x.value());
  tape.on_backward([=](auto& t) {
    if (const auto dx = t.sink(x)) t.exec().gelu_backward(dx, t.gradient(y), x.value());
  });
  return y;
}

}  // namespace transfusion
