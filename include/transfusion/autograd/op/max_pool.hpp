// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"
#include "transfusion/core/convolution_tables.hpp"

namespace transfusion {

/// y[m] = the largest x[taps(m, k)] over the taps that are not negative, channel by channel; of equal ones the first
/// gets the gradient. x: [N, C]; y: [M, C], 0 in a row without taps. The tables are those of a convolution and must
/// live until the way back is done.
template <class Exec>
var<Exec> max_pool(tape<Exec>& tape, var<Exec> x, const convolution_tables& tables) {
  if (tape.records()) {
    require_extent("max_pool: rows of the reverse taps", tables.reverse.rows(), x.rows());
    require_extent("max_pool: columns of the reverse taps", tables.reverse.cols(), tables.taps.cols());
  }
  auto y = tape.variable(tables.taps.rows(), x.cols());
  tape.exec().max_pool(y.value(), x.value(), tables.taps);
  tape.on_backward([=](auto& t) {
    if (const auto dx = t.sink(x))
      t.exec().max_pool_backward(dx, t.gradient(y), x.value(), tables.taps, tables.reverse);
  });
  return y;
}

}  // namespace transfusion
