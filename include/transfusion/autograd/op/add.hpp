// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// y = a + b. All: [N, D].
template <class Exec>
var<Exec> add(tape<Exec>& tape, var<Exec> a, var<Exec> b) {
  require_extent("add: rows", b.rows(), a.rows());
  require_extent("add: columns", b.cols(), a.cols());
  auto y = tape.variable(a.rows(), a.cols());
  tape.exec().add(y.value(), a.value(), b.value());
  tape.on_backward([=](auto& t) {
    t.pass_gradient(y, a);
    t.pass_gradient(y, b);
  });
  return y;
}

}  // namespace transfusion
