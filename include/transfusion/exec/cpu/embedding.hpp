// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/lanes.hpp"

namespace transfusion {
namespace detail {

/// to[rows[i]] += from[i] in rising i, negative rows skipped; each task owns a strip of columns, so rows may repeat.
template <class Scalar>
void add_rows(const cpu_team& team, view<Scalar, 2> to, view<const Scalar, 2> from, view<const token_t, 1> rows) {
  constexpr index_t strip = 64;
  const index_t cols = from.cols();
  const auto add_strip = [&](index_t begin, index_t end) {
    for (index_t i = 0; i < from.rows(); ++i)
      if (rows[i] >= 0)
        emit(
            true, end - begin, to.row(rows[i]) + begin, [](auto v) { return v; }, from.row(i) + begin);
  };
  if (from.size() <= cpu_team::piece_elements) return add_strip(0, cols);
  team.run((cols + strip - 1) / strip, [&](index_t s, int) { add_strip(s * strip, std::min(cols, (s + 1) * strip)); });
}

}  // namespace detail

template <class Scalar>
void cpu_exec<Scalar>::embedding(matrix y, const_matrix table, tokens ids) {
  team_.run_pieces(y.rows(), y.cols(), [&](index_t begin, index_t end) {
    for (index_t n = begin; n < end; ++n)
      if (ids[n] < 0)
        std::fill_n(y.row(n), y.cols(), Scalar{0});
      else
        std::copy_n(table.row(ids[n]), y.cols(), y.row(n));
  });
}

template <class Scalar>
void cpu_exec<Scalar>::embedding_backward(matrix dtable, const_matrix dy, tokens ids) {
  detail::add_rows<Scalar>(team_, dtable, dy, ids);
}

template <class Scalar>
void cpu_exec<Scalar>::gather_rows(matrix y, const_matrix x, tokens rows) {
  team_.run_pieces(y.rows(), y.cols(), [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i) std::copy_n(x.row(rows[i]), y.cols(), y.row(i));
  });
}

template <class Scalar>
void cpu_exec<Scalar>::gather_rows_backward(sink dx, const_matrix dy, tokens rows) {
  if (!dx.add) fill(dx.into.flat(), 0);
  detail::add_rows<Scalar>(team_, dx.into, dy, rows);
}

template <class Scalar>
void cpu_exec<Scalar>::scatter_rows(matrix y, const_matrix x, const_matrix s, tokens rows) {
  copy(y.flat(), x.flat());
  write_rows(y, s, rows);
}

template <class Scalar>
void cpu_exec<Scalar>::write_rows(matrix y, const_matrix s, tokens rows) {
  team_.run_pieces(s.rows(), s.cols(), [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i) std::copy_n(s.row(i), s.cols(), y.row(rows[i]));
  });
}

template <class Scalar>
void cpu_exec<Scalar>::scatter_rows_backward(sink dx, sink ds, const_matrix dy, tokens rows) {
  const index_t cols = dy.cols();
  const auto same = [](auto v) { return v; };
  auto* replaced = team_.reserve<unsigned char>(detail::scratch::rows, dy.rows());
  std::fill_n(replaced, dy.rows(), static_cast<unsigned char>(0));
  for (index_t i = 0; i < rows.size(); ++i) replaced[rows[i]] = 1;
  if (dx)
    team_.run_pieces(dy.rows(), cols, [&](index_t begin, index_t end) {
      for (index_t n = begin; n < end; ++n)
        if (!replaced[n])
          detail::emit(dx.add, cols, dx.into.row(n), same, dy.row(n));
        else if (!dx.add)
          std::fill_n(dx.into.row(n), cols, Scalar{0});
    });
  if (ds)
    team_.run_pieces(rows.size(), cols, [&](index_t begin, index_t end) {
      for (index_t i = begin; i < end; ++i) detail::emit(ds.add, cols, ds.into.row(i), same, dy.row(rows[i]));
    });
}

}  // namespace transfusion
