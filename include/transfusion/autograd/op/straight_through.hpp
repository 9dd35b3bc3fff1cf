// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// y = value, and the gradient of y goes to x as if y were x (van den Oord et al. 2017, §3.2); value gets none.
/// All: [N, D]; y lies in the memory of value.
template <class Exec>
var<Exec> straight_through(tape<Exec>& tape, var<Exec> x, var<Exec> value) {
  require_extent("straight_through: rows", value.rows(), x.rows());
  require_extent("straight_through: columns", value.cols(), x.cols());
  auto y = tape.variable_over(value.value());
  tape.on_backward([=](auto& t) { t.pass_gradient(y, x); });
  return y;
}

}  // namespace transfusion
