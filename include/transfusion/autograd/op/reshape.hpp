// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"
#include "transfusion/core/error.hpp"

namespace transfusion {

/// The same numbers in the same memory, in `rows` rows. Costs nothing on either way.
template <class Exec>
var<Exec> reshape(tape<Exec>& tape, var<Exec> x, index_t rows) {
  const index_t cols = rows > 0 ? x.value().size() / rows : x.cols();
  require_extent("reshape: elements", rows * cols, x.value().size());
  auto y = tape.variable_over({x.value().data, rows, cols});
  tape.on_backward([=](auto& t) {
    if (t.has_gradient(x))
      t.exec().accumulate(t.sink(x), {t.gradient(y).data, x.rows(), x.cols()});
    else
      t.pass_gradient(y, x);
  });
  return y;
}

}  // namespace transfusion
