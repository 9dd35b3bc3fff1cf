// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/parameter.hpp"
#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// y[n] = table[ids[n]], a zero row where ids[n] < 0. ids: [N] on the device; table: [V, D]; y: [N, D].
template <class Exec>
var<Exec> embedding(tape<Exec>& tape, view<const token_t, 1> ids, parameter<Exec> table) {
  auto y = tape.variable(ids.size(), table.cols());
  tape.exec().embedding(y.value(), table.value(), ids);
  tape.on_backward([=](auto& t) {
    if (table.gradient()) t.exec().embedding_backward(table.gradient(), t.gradient(y), ids);
  });
  return y;
}

}  // namespace transfusion
