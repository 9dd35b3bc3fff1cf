// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "transfusion/autograd/tape.hpp"
#include "transfusion/core/philox.hpp"
#include "transfusion/testing/compare.hpp"

namespace transfusion::testing {

/// Σ weights · y with standard normal weights, a pure function of the key: a root that makes one number of any output,
/// so that its gradient can be checked. On a recording tape it starts the gradient of y.
template <class Exec>
double weighted_output(tape<Exec>& tape, var<Exec> y, random_key key) {
  const auto drawn = tape.saved_real(y.rows(), y.cols());
  tape.exec().normal(drawn.flat(), key, 1.0);
  const auto weights = tape.saved(y.rows(), y.cols());
  tape.exec().narrow(weights.flat(), drawn.flat());
  if (const auto dy = tape.sink(y)) tape.exec().accumulate(dy, weights);
  const auto w = on_host(tape.exec(), weights), values = on_host(tape.exec(), y.value());
  double sum = 0;
  for (std::size_t i = 0; i < w.size(); ++i) sum += static_cast<double>(w[i]) * static_cast<double>(values[i]);
  return sum;
}

}  // namespace transfusion::testing
