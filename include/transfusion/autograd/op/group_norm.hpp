// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/parameter.hpp"
#include "transfusion/autograd/tape.hpp"
#include "transfusion/core/interval.hpp"

namespace transfusion {

/// y = (x - mean) / deviation · w + b, mean and deviation² = variance + epsilon over all rows of one image and the
/// C/groups channels of one group (Wu & He 2018, eq. 1-7). x, y: [N, C]; w, b: [C]; ranges: [S] on the device, the rows
/// of each image, none empty, all rows covered once; it must live until the way back is done.
template <class Exec>
var<Exec> group_norm(tape<Exec>& tape, var<Exec> x, parameter<Exec> w, parameter<Exec> b,
                     view<const key_interval, 1> ranges, index_t groups, double epsilon) {
  require_extent(w.name(), w.size(), x.cols());
  require_extent(b.name(), b.size(), x.cols());
  require<config_error>(groups > 0 && x.cols() % groups == 0, "group_norm ", w.name(), ": ", groups,
                        " groups, expected a divisor of ", x.cols(), " channels");
  auto y = tape.variable(x.rows(), x.cols());
  auto stats = tape.saved_real(ranges.size() * groups, 2);
  tape.exec().group_norm(y.value(), stats, x.value(), w.master(), b.master(), ranges, groups, epsilon);
  tape.on_backward([=](auto& t) {
    t.exec().group_norm_backward(t.sink(x), w.flat_gradient(), b.flat_gradient(), t.gradient(y), x.value(), w.master(),
                                 stats, ranges, groups);
  });
  return y;
}

}  // namespace transfusion
