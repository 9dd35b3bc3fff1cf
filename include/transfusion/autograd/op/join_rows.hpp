// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "transfusion/autograd/tape.hpp"
#include "transfusion/core/error.hpp"

namespace transfusion {

/// Rows x [R, D] that stand at `rows` [R] of something larger; `rows` on the device.
template <class Exec>
struct placed_rows {
  var<Exec> x;
  view<const token_t, 1> rows;
};

/// y[part.rows[i]] = part.x[i] for all parts. y: [count, D]; every row of y stands in one part, once. The list of parts
/// must live as long as the tape's step (tape.list).
template <class Exec>
var<Exec> join_rows(tape<Exec>& tape, std::span<const placed_rows<Exec>> parts, index_t count) {
  auto y = tape.variable(count, parts.front().x.cols());
  index_t found = 0;
  for (const placed_rows<Exec>& part : parts) {
    require_extent("join_rows: rows of a part", part.x.rows(), part.rows.size());
    require_extent("join_rows: columns", part.x.cols(), y.cols());
    tape.exec().write_rows(y.value(), part.x.value(), part.rows);
    found += part.rows.size();
  }
  require_extent("join_rows: rows of all parts", found, count);
  tape.on_backward([=](auto& t) {
    for (const placed_rows<Exec>& part : parts)
      if (const auto dx = t.sink(part.x)) t.exec().scatter_rows_backward({}, dx, t.gradient(y), part.rows);
  });
  return y;
}

}  // namespace transfusion
