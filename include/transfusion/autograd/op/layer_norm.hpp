// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/parameter.hpp"
#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// y = (x - mean(x)) / sqrt(var(x) + epsilon) · w + b, row by row, var the mean of the squared deviations; w and b may
/// be empty. x, y: [N, D]; w, b: [D]. Ba, Kiros & Hinton 2016, eq. 4.
template <class Exec>
var<Exec> layer_norm(tape<Exec>& tape, var<Exec> x, parameter<Exec> w, parameter<Exec> b, double epsilon) {
  if (w) require_extent(w.name(), w.size(), x.cols());
  if (b) require_extent(b.name(), b.size(), x.cols());
  const auto gain = w ? w.master() : view<typename Exec::real, 1>{};
  const auto offset = b ? b.master() : view<typename Exec::real, 1>{};
  auto y = tape.variable(x.rows(), x.cols());
  auto stats = tape.saved_real(x.rows(), 2);
  tape.exec().layer_norm(y.value(), stats, x.value(), gain, offset, epsilon);
  tape.on_backward([=](auto& t) {
    t.exec().layer_norm_backward(t.sink(x), w.flat_gradient(), b.flat_gradient(), t.gradient(y), x.value(), gain,
                                 stats);
  });
  return y;
}

}  // namespace transfusion
