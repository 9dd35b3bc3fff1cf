// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// y = silu(gate) · up, elementwise (Shazeer 2020, eq. 6). All: [N, F].
template <class Exec>
var<Exec> swiglu(tape<Exec>& tape, var<Exec> gate, var<Exec> up) {
  auto y = tape.variable(gate.rows(), gate.cols());
  tape.exec().swiglu(y.value(), gate.value(), up.value());
  tape.on_backward([=](auto& t) {
    const auto dgate = t.sink(gate),
               dup = t.sink(up);  // in the order in which they are written: both may be one variable
    t.exec().swiglu_backward(dgate, dup, t.gradient(y), gate.value(), up.value());
  });
  return y;
}

/// y = x · sigmoid(x), elementwise.
template <class Exec>
var<Exec> silu(tape<Exec>& tape, var<Exec> x) {
  auto y = tape.variable(x.rows(), x.cols());
  tape.exec().silu(y.value(), x.value());
  tape.on_backward([=](auto& t) {
    if (const auto dx = t.sink(x)) t.exec().silu_backward(dx, t.gradient(y), x.value());
  });
  return y;
}

}  // namespace transfusion
