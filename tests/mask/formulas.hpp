// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <random>
#include <vector>

#include "transfusion/mask/bidirectional.hpp"
#include "transfusion/mask/both.hpp"
#include "transfusion/mask/causal.hpp"
#include "transfusion/mask/either.hpp"
#include "transfusion/mask/intra_image.hpp"
#include "transfusion/mask/noised_hidden.hpp"
#include "transfusion/mask/prefix.hpp"
#include "transfusion/mask/sliding_window.hpp"

// The masks as formulas over all pairs of rows, and tables to hold them against.
namespace mask_tests {

namespace tf = transfusion;
namespace mask = tf::mask;

using dense_mask = std::vector<std::vector<bool>>;

/// The first `Count` rows of a document, and the row itself: a base for unions.
template <tf::index_t Count>
struct document_start {
  tf::key_interval keys(tf::index_t q, const tf::span_table& table) const {
    return tf::key_interval::of(table.document_begin(q), std::min(table.document_begin(q) + Count, q + 1));
  }
};

/// Whether row q may see key k of its own document, each mask by its definition (paper.md §3.2 for the first three).
struct formula {
  using index_t = tf::index_t;
  using table = tf::span_table;

  static bool same_span(const table& t, index_t q, index_t k) { return t.span_of(q) && t.span_of(q) == t.span_of(k); }
  static bool is_copy(const table& t, index_t q) { return t.span_of(q) && t.span_of(q)->source >= 0; }
  /// The first row of span number `s`, counted out.
  static index_t first_row(const table& t, index_t s) {
    index_t q = 0;
    while (t.span_of(q) != &t.spans()[static_cast<std::size_t>(s)]) ++q;
    return q;
  }
  static index_t first_row_of_clean(const table& t, index_t q) { return first_row(t, t.span_of(q)->source); }

  static bool allows(mask::causal, const table&, index_t q, index_t k) { return k <= q; }
  static bool allows(mask::bidirectional, const table&, index_t, index_t) { return true; }
  static bool allows(mask::intra_image, const table& t, index_t q, index_t k) { return k <= q || same_span(t, q, k); }
  static bool allows(mask::noised_hidden, const table& t, index_t q, index_t k) {
    if (same_span(t, q, k)) return true;
    if (is_copy(t, k)) return false;
    return is_copy(t, q) ? k < first_row_of_clean(t, q) : k <= q;
  }
  template <tf::index_t Count>
  static bool allows(document_start<Count>, const table& t, index_t q, index_t k) {
    return k <= q && k < t.document_begin(q) + Count;
  }
  template <class Base>
  static bool allows(mask::prefix<Base> m, const table& t, index_t q, index_t k) {
    const index_t end = t.prefix_end(t.document(q));
    return (q < end && k < end) || allows(m.base, t, q, k);
  }
  template <class Base, tf::index_t Width>
  static bool allows(mask::sliding_window<Base, Width> m, const table& t, index_t q, index_t k) {
    index_t from = q;
    if (is_copy(t, q))
      from = first_row_of_clean(t, q);
    else
      while (from > 0 && same_span(t, q, from - 1)) --from;
    return allows(m.base, t, q, k) && from - k <= Width;
  }
  template <class A, class B>
  static bool allows(mask::both<A, B> m, const table& t, index_t q, index_t k) {
    return allows(m.a, t, q, k) && allows(m.b, t, q, k);
  }
  template <class A, class B>
  static bool allows(mask::either<A, B> m, const table& t, index_t q, index_t k) {
    return allows(m.a, t, q, k) || allows(m.b, t, q, k);
  }
};

/// [N, N]: who sees whom, documents apart.
template <class Mask>
dense_mask written_out(const tf::span_table& table) {
  const auto rows = static_cast<std::size_t>(table.rows());
  dense_mask m(rows, std::vector<bool>(rows));
  for (tf::index_t q = 0; q < table.rows(); ++q)
    for (tf::index_t k = 0; k < table.rows(); ++k)
      m[static_cast<std::size_t>(q)][static_cast<std::size_t>(k)] =
          table.document(q) == table.document(k) && formula::allows(Mask{}, table, q, k);
  return m;
}

/// How large a random table is, at the most.
struct extent {
  unsigned documents = 4, parts = 5, words = 4, grid_rows = 3, grid_cols = 4;
};

/// Documents of text and images, prefixes that end between any two parts, and behind the documents of a mask with clean
/// copies a noised copy of every image.
template <class Mask>
tf::span_table random_table(std::mt19937& random, extent most = {}) {
  const auto below = [&](unsigned n) { return static_cast<tf::index_t>(random() % n); };
  tf::span_table table;
  tf::index_t image = 0;
  for (tf::index_t d = 0, documents = 1 + below(most.documents); d < documents; ++d) {
    table.begin_document();
    const auto first_span = static_cast<tf::index_t>(table.spans().size());
    for (tf::index_t part = 0, parts = 1 + below(most.parts); part < parts; ++part) {
      if (below(2) == 0)
        table.append_text(1 + below(most.words));
      else
        table.append_span(1 + below(most.grid_rows), 1 + below(most.grid_cols), image++, false);
      if (below(3) == 0) table.end_prefix();
    }
    const auto spans = static_cast<tf::index_t>(table.spans().size());
    if constexpr (mask::clean_copies<Mask>)
      for (tf::index_t s = first_span; s < spans; ++s) {
        tf::span copy = table.spans()[static_cast<std::size_t>(s)];
        copy.source = s;
        copy.image = image++;
        table.append_span(copy);
      }
  }
  return table;
}

}  // namespace mask_tests
