// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// y = length · x / |x|, row by row; a row of zeros stays zero. x, y: [N, D].
template <class Exec>
var<Exec> unit_rows(tape<Exec>& tape, var<Exec> x, double length = 1) {
  constexpr double epsilon = 1e-12;  // of the mean square
  const auto scale = tape.saved_real(x.cols()), inverse_rms = tape.saved_real(x.rows());
  tape.exec().fill(scale, length / std::sqrt(static_cast<double>(x.cols())));
  auto y = tape.variable(x.rows(), x.cols());
  tape.exec().rms_norm(y.value(), inverse_rms, x.value(), scale, epsilon);
  tape.on_backward(
      [=](auto& t) { t.exec().rms_norm_backward(t.sink(x), {}, t.gradient(y), x.value(), scale, inverse_rms); });
  return y;
}

}  // namespace transfusion
