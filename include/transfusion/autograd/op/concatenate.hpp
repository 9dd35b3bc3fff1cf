// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// The columns of a, then those of b. a: [N, A]; b: [N, B]; y: [N, A+B].
template <class Exec>
var<Exec> concatenate(tape<Exec>& tape, var<Exec> a, var<Exec> b) {
  require_extent("concatenate: rows", b.rows(), a.rows());
  auto y = tape.variable(a.rows(), a.cols() + b.cols());
  tape.exec().concatenate(y.value(), a.value(), b.value());
  tape.on_backward([=](auto& t) {
    const auto da = t.sink(a), db = t.sink(b);  // in the order in which they are written: both may be one variable
    t.exec().concatenate_backward(da, db, t.gradient(y));
  });
  return y;
}

}  // namespace transfusion
