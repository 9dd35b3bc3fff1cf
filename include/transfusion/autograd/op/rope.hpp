// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"

namespace transfusion {

/// Turns adjacent pairs of every head of x by position · theta^(-2i/C), in place (Su et al. 2021, eq. 34). x: [N, H·C];
/// table: [N, C] from exec.rope_table. The operation that made x must not need its output on the way back.
template <class Exec>
void rope(tape<Exec>& tape, var<Exec> x, view<const typename Exec::real, 2> table) {
  require_extent("rope table rows", table.rows(), x.rows());
  tape.exec().rope(x.value(), table, 1.0);
  tape.on_backward([=](auto& t) {
    if (t.has_gradient(x)) t.exec().rope(t.own_gradient(x), table, -1.0);
  });
}

}  // namespace transfusion
