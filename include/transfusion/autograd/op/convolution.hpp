// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/parameter.hpp"
#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// y[m] = Σₖ w[:, k] x[taps(m, k)] + b: a convolution over any grids, as a table of neighbours. x: [N, C]; taps: [M, K]
/// on the device, the row of x under each tap, -1 for zero padding; w: [O, K, C]; b: [O] or empty; y: [M, O].
/// reverse: [N, K] on the device, reverse(n, k) = the row m with taps(m, k) == n, or -1; it may be empty where the tape
/// does not record. Both tables must live until the way back is done; layer/convolution_taps.hpp makes them.
template <class Exec>
var<Exec> convolution(tape<Exec>& tape, var<Exec> x, parameter<Exec> w, parameter<Exec> b, view<const token_t, 2> taps,
                      view<const token_t, 2> reverse) {
  require_extent(w.name(), w.cols(), taps.cols() * x.cols());
  if (b) require_extent(b.name(), b.size(), w.rows());
  if (tape.records()) {
    require_extent("convolution: rows of the reverse taps", reverse.rows(), x.rows());
    require_extent("convolution: columns of the reverse taps", reverse.cols(), taps.cols());
  }
  auto y = tape.variable(taps.rows(), w.rows());
  tape.exec().convolution(y.value(), x.value(), w.value(), b.flat_value(), taps);
  tape.on_backward([=](auto& t) {
    t.exec().convolution_backward(t.sink(x), w.gradient(), b.flat_gradient(), t.gradient(y), x.value(), w.value(), taps,
                                  reverse);
  });
  return y;
}

}  // namespace transfusion
