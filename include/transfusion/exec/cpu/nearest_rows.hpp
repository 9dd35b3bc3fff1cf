// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/lanes.hpp"
#include "transfusion/exec/cpu/logit_rows.hpp"

namespace transfusion {
namespace detail {

/// The place of the largest of `count` scores, the lowest of equal ones; 0 where one of them is not finite.
template <class Scalar>
token_t best_score(const Scalar* scores, index_t count) {
  const auto nothing = all(Scalar{0});
  const Scalar infinite = sum<Scalar>(
      count, [&](auto v) { return v * nothing; }, scores);
  if (infinite != 0) return 0;  // only what is finite gives 0
  return static_cast<token_t>(std::find(scores, scores + count, largest(count, scores)) - scores);
}

}  // namespace detail

// The nearest row has the largest x · t - |t|² / 2: a product and a pass over its scores.
template <class Scalar>
void cpu_exec<Scalar>::nearest_rows(view<token_t, 1> out, const_matrix x, const_matrix table) {
  const index_t entries = table.rows(), width = table.cols();
  const index_t most = detail::logit_rows<Scalar>(entries, width);
  Scalar* halves = team_.reserve<Scalar>(detail::scratch::values, entries);
  Scalar* scores = team_.reserve<Scalar>(detail::scratch::logits, std::min(x.rows(), most) * entries);
  for (index_t v = 0; v < entries; ++v) {
    const auto squared = [](auto t) { return t * t; };
    halves[v] = detail::sum<Scalar>(width, squared, table.row(v)) / 2;
  }
  for (index_t first = 0; first < x.rows(); first += most) {
    const index_t rows = std::min(most, x.rows() - first);
    const matrix chunk(scores, rows, entries);
    logits(chunk, x.slice(first, first + rows), table);
    team_.run_pieces(rows, 4 * entries, [&](index_t begin, index_t end) {
      for (index_t r = begin; r < end; ++r) {
        Scalar* row = chunk.row(r);
        detail::transform(
            entries, row, [](auto s, auto h) { return s - h; }, static_cast<const Scalar*>(row),
            static_cast<const Scalar*>(halves));
        out[first + r] = detail::best_score<Scalar>(row, entries);
      }
    });
  }
}

}  // namespace transfusion
