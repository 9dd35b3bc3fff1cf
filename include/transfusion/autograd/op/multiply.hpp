// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// y = a · b, elementwise; a and b may be one variable. All: [N, D].
template <class Exec>
var<Exec> multiply(tape<Exec>& tape, var<Exec> a, var<Exec> b) {
  require_extent("multiply: rows", b.rows(), a.rows());
  require_extent("multiply: columns", b.cols(), a.cols());
  auto y = tape.variable(a.rows(), a.cols());
  tape.exec().multiply(y.value(), a.value(), b.value());
  tape.on_backward([=](auto& t) {
    const auto da = t.sink(a), db = t.sink(b);  // in the order in which they are written: both may be one variable
    t.exec().multiply_backward(da, db, t.gradient(y), a.value(), b.value());
  });
  return y;
}

}  // namespace transfusion
