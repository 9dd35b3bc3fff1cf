// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"
#include "transfusion/core/error.hpp"
#include "transfusion/core/philox.hpp"

namespace transfusion {

/// Each element is 0 with probability `rate` and x / (1 - rate) otherwise (Srivastava et al. 2014, inverted). x, y:
/// [N, D]. Element i in row-major order goes by number first + i of the key, and nothing is kept for the way back. At
/// rate 0 the result is x itself. Throws config_error where rate is outside [0, 1).
template <class Exec>
var<Exec> dropout(tape<Exec>& tape, var<Exec> x, random_key key, double rate, index_t first = 0) {
  require<config_error>(rate >= 0 && rate < 1, "dropout: rate: found ", rate, ", expected 0 <= rate < 1");
  if (rate == 0) return x;
  auto y = tape.variable(x.rows(), x.cols());
  tape.exec().dropout({y.value(), false}, x.value(), key, rate, first);
  tape.on_backward([=](auto& t) {
    if (const auto dx = t.sink(x)) t.exec().dropout(dx, t.gradient(y), key, rate, first);
  });
  return y;
}

}  // namespace transfusion
