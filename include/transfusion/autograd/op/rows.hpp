// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// y[i] = x[rows[i]]; a row may be taken many times. x: [N, D]; rows: [R] on the device; y: [R, D].
template <class Exec>
var<Exec> gather_rows(tape<Exec>& tape, var<Exec> x, view<const token_t, 1> rows) {
  auto y = tape.variable(rows.size(), x.cols());
  tape.exec().gather_rows(y.value(), x.value(), rows);
  tape.on_backward([=](auto& t) {
    if (const auto dx = t.sink(x)) t.exec().gather_rows_backward(dx, t.gradient(y), rows);
  });
  return y;
}

/// y = x with row rows[i] replaced by s[i]; rows without repeats. x, y: [N, D]; s: [R, D].
template <class Exec>
var<Exec> scatter_rows(tape<Exec>& tape, var<Exec> x, var<Exec> s, view<const token_t, 1> rows) {
  require_extent("scatter_rows: rows to place", s.rows(), rows.size());
  require_extent("scatter_rows: columns", s.cols(), x.cols());
  auto y = tape.variable(x.rows(), x.cols());
  tape.exec().scatter_rows(y.value(), x.value(), s.value(), rows);
  tape.on_backward([=](auto& t) {
    const auto dx = t.sink(x), ds = t.sink(s);  // in the order in which they are written: both may be one variable
    t.exec().scatter_rows_backward(dx, ds, t.gradient(y), rows);
  });
  return y;
}

}  // namespace transfusion
