// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/parameter.hpp"
#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// y = x wᵀ + b, the bias left out where `b` is empty. x: [N, I]; w: [O, I]; b: [O]; y: [N, O].
template <class Exec>
var<Exec> linear(tape<Exec>& tape, var<Exec> x, parameter<Exec> w, parameter<Exec> b = {}) {
  require_extent(w.name(), w.cols(), x.cols());
  auto y = tape.variable(x.rows(), w.rows());
  tape.exec().linear(y.value(), x.value(), w.value(), b.flat_value());
  tape.on_backward([=](auto& t) {
    t.exec().linear_backward(t.sink(x), w.gradient(), b.flat_gradient(), t.gradient(y), x.value(), w.value());
  });
  return y;
}

}  // namespace transfusion
