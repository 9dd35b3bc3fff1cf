// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/lanes.hpp"

namespace transfusion {

template <class Scalar>
void cpu_exec<Scalar>::concatenate(matrix y, const_matrix a, const_matrix b) {
  team_.run_pieces(y.rows(), y.cols(), [&](index_t begin, index_t end) {
    for (index_t n = begin; n < end; ++n) std::copy_n(b.row(n), b.cols(), std::copy_n(a.row(n), a.cols(), y.row(n)));
  });
}

template <class Scalar>
void cpu_exec<Scalar>::concatenate_backward(sink da, sink db, const_matrix dy) {
  const auto same = [](auto v) { return v; };
  team_.run_pieces(dy.rows(), dy.cols(), [&](index_t begin, index_t end) {
    for (index_t n = begin; n < end; ++n) {
      if (da) detail::emit(da.add, da.into.cols(), da.into.row(n), same, dy.row(n));
      if (db) detail::emit(db.add, db.into.cols(), db.into.row(n), same, dy.row(n) + dy.cols() - db.into.cols());
    }
  });
}

}  // namespace transfusion
