// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <utility>
#include <vector>

#include "transfusion/sequence/span_table.hpp"

namespace transfusion {

namespace detail {

/// How many numbers a position is; 0 where it is none.
template <class Position>
inline constexpr index_t axes_of = std::convertible_to<Position, index_t> ? 1 : 0;
template <std::size_t Axes>
inline constexpr index_t axes_of<std::array<index_t, Axes>> = static_cast<index_t>(Axes);

}  // namespace detail

/// Gives each row of a batch the position that rotary embedding turns it by: one whole number, or an array of two or
/// three, of which pair i of a head takes number i modulo their count.
template <class P>
concept position_policy = requires(const P& p, index_t q, const span_table& table) {
  p.at(q, table);
  requires detail::axes_of<decltype(p.at(q, table))>
  >= 1 && detail::axes_of<decltype(p.at(q, table))> <= 3;
};

namespace position {

/// How many numbers a position of this policy is.
template <position_policy P>
inline constexpr index_t axes =
    transfusion::detail::axes_of<decltype(std::declval<const P&>().at(index_t{}, std::declval<const span_table&>()))>;

/// Appends the positions of rows [begin, end) to a list: `axes` numbers a row, as exec.rope_table reads them.
template <position_policy P, class List>
void lower(const P& policy, const span_table& table, index_t begin, index_t end, List& out) {
  for (index_t q = begin; q < end; ++q) {
    const auto at = policy.at(q, table);
    if constexpr (axes<P> == 1)
      out.push_back(static_cast<token_t>(at));
    else
      for (index_t number : at) out.push_back(static_cast<token_t>(number));
  }
}

namespace detail {

/// A row of a noised copy stands for the same row of the clean image.
inline index_t clean_row(index_t q, const span_table& table) {
  const span* s = table.span_of(q);
  if (!s || s->source < 0) return q;
  return table.spans()[static_cast<std::size_t>(s->source)].begin + (q - s->begin);
}

/// How far the count has come before q's image, or before the word q, where the rows of an image s count as extent(s)
/// and those of a noised copy not at all. Looks at the images before it in its document.
template <class Extent>
index_t counted_before(index_t q, const span_table& table, Extent extent) {
  const index_t begin = table.document_begin(q), end = table.span_begin(q);
  index_t count = end - begin;
  const auto& spans = table.spans();
  auto s = std::partition_point(spans.begin(), spans.end(), [&](const span& x) { return x.begin < end; });
  while (s != spans.begin() && (--s)->begin >= begin) count += (s->source < 0 ? extent(*s) : 0) - (s->end - s->begin);
  return count;
}

/// A word has one number on all axes, as has a row before an image's patches; patches go on from there, `offset` along
/// each axis; the next word goes on behind the longest axis.
template <std::size_t Axes, class Offset>
std::array<index_t, Axes> along_axes(index_t q, const span_table& table, Offset offset) {
  const auto extent = [&](const span& s) {
    const auto last = offset(s, s.patches() - 1);
    return s.lead_rows + std::max({s.rows, s.cols, last[0] + 1});
  };
  const index_t row = clean_row(q, table);
  const span* s = table.span_of(row);
  const index_t base = counted_before(row, table, extent);
  std::array<index_t, Axes> at;
  at.fill(s ? base + std::min(row - s->begin, s->lead_rows) : base);
  if (!s || row < s->first_patch_row()) return at;
  const auto along = offset(*s, row - s->first_patch_row());
  for (std::size_t a = 0; a < Axes; ++a) at[a] += along[a];
  return at;
}

}  // namespace detail

/// Rows are counted through their document, patches like words: the plain reading of the paper, which does not say.
/// Noised copies stand behind the rest of their document.
struct sequential {
  index_t at(index_t q, const span_table& table) const { return detail::clean_row(q, table) - table.document_begin(q); }
};

/// All rows of an image share one position, and the text goes on by one (BAGEL; Deng et al. 2025).
struct per_image {
  index_t at(index_t q, const span_table& table) const {
    return detail::counted_before(detail::clean_row(q, table), table, [](const span&) { return 1; });
  }
};

/// Row and column of a patch, planes below one another; text has the same number twice.
struct axial_2d {
  std::array<index_t, 2> at(index_t q, const span_table& table) const {
    return detail::along_axes<2>(q, table, [](const span& s, index_t patch) {
      return std::array<index_t, 2>{patch / s.cols, patch % s.cols};
    });
  }
};

/// Plane, row and column of a patch; text has the same number three times (Wang et al. 2024, "Qwen2-VL", §2.1: M-RoPE).
struct axial_3d {
  std::array<index_t, 3> at(index_t q, const span_table& table) const {
    return detail::along_axes<3>(q, table, [](const span& s, index_t patch) {
      return std::array<index_t, 3>{patch / (s.rows * s.cols), patch / s.cols % s.rows, patch % s.cols};
    });
  }
};

}  // namespace position
}  // namespace transfusion
