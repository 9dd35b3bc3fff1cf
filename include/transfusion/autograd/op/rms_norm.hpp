// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/parameter.hpp"
#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// y = x / rms(x) · w, row by row, rms(x)² = mean x² + epsilon. x, y: [N, D]; w: [D]. Zhang & Sennrich 2019, eq. 4.
template <class Exec>
var<Exec> rms_norm(tape<Exec>& tape, var<Exec> x, parameter<Exec> w, double epsilon) {
  require_extent(w.name(), w.size(), x.cols());
  auto y = tape.variable(x.rows(), x.cols());
  auto inverse_rms = tape.saved_real(x.rows());
  tape.exec().rms_norm(y.value(), inverse_rms, x.value(), w.master(), epsilon);
  tape.on_backward([=](auto& t) {
    t.exec().rms_norm_backward(t.sink(x), w.flat_gradient(), t.gradient(y), x.value(), w.master(), inverse_rms);
  });
  return y;
}

/// The two results of add_rms_norm.
template <class Exec>
struct added_and_normed {
  var<Exec> sum, normed;
};

/// sum = a + b; normed = sum / rms(sum) · w, in one pass over memory. All: [N, D]; w: [D].
template <class Exec>
added_and_normed<Exec> add_rms_norm(tape<Exec>& tape, var<Exec> a, var<Exec> b, parameter<Exec> w, double epsilon) {
  require_extent(w.name(), w.size(), a.cols());
  require_extent("add_rms_norm rows", b.rows(), a.rows());
  auto sum = tape.variable(a.rows(), a.cols());
  auto normed = tape.variable(a.rows(), a.cols());
  auto inverse_rms = tape.saved_real(a.rows());
  tape.exec().add_rms_norm(sum.value(), normed.value(), inverse_rms, a.value(), b.value(), w.master(), epsilon);
  tape.on_backward([=](auto& t) {
    if (t.has_gradient(normed))
      t.exec().rms_norm_backward(t.sink(sum), w.flat_gradient(), t.gradient(normed), sum.value(), w.master(),
                                 inverse_rms);
    t.pass_gradient(sum, a);
    t.pass_gradient(sum, b);
  });
  return {sum, normed};
}

}  // namespace transfusion
