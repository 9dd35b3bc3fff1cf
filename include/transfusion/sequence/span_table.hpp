// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "transfusion/core/image.hpp"
#include "transfusion/core/types.hpp"

namespace transfusion {

/// A continuous span (the rows of one image) on the token axis: `lead_rows` rows of its own, then a grid of patches in
/// raster order.
struct span {
  index_t begin = 0;
  index_t end = 0;
  index_t document = 0;
  index_t image = 0;  ///< its number among all images of the batch
  index_t rows = 0;   ///< its grid of patches
  index_t cols = 0;
  bool leads = false;  ///< its text comes after it, none before: "image first"
  index_t planes = 1;
  index_t modality = 0;
  index_t lead_rows = 0;  ///< 1 where a row that tells the time stands before the patches
  index_t source = -1;    ///< of a noised copy: the number of the span that holds the clean one; -1: it is no copy

  index_t patches() const { return planes * rows * cols; }
  index_t first_patch_row() const { return begin + lead_rows; }
};

/// Where each document and each image lies on one packed token axis. Masks, positions, codecs, losses and decoding read
/// this and nothing else; a prompt that grows while it is generated is the same table, appended to. All answers are
/// O(1).
class span_table {
 public:
  void begin_document() {
    document_begins_.push_back(rows());
    prefix_ends_.push_back(rows());
  }
  /// What has been appended so far is the last document's prefix: rows that may see each other both ways.
  void end_prefix() { prefix_ends_.back() = rows(); }

  void append_text(index_t count = 1) {
    for (index_t i = 0; i < count; ++i) append_row(-1);
  }

  /// Appends the patches of an image, a grid of rows × cols.
  void append_span(index_t grid_rows, index_t grid_cols, index_t image, bool leads) {
    append_span({.image = image, .rows = grid_rows, .cols = grid_cols, .leads = leads});
  }
  /// Appends the rows of `s`, whose begin, end and document follow from the table.
  void append_span(span s) {
    s.begin = rows();
    s.end = rows() + s.lead_rows + s.patches();
    s.document = documents() - 1;
    spans_.push_back(s);
    for (index_t q = s.begin; q < s.end; ++q) append_row(static_cast<token_t>(spans_.size()) - 1);
  }

  index_t rows() const { return static_cast<index_t>(row_span_.size()); }
  index_t documents() const { return static_cast<index_t>(document_begins_.size()); }
  const std::vector<span>& spans() const { return spans_; }

  /// The document of row q, its first row, and the row after its last.
  index_t document(index_t q) const { return row_document_[at(q)]; }
  index_t document_begin(index_t q) const { return document_begins_[at(document(q))]; }
  index_t document_end(index_t q) const {
    return document(q) + 1 < documents() ? document_begins_[at(document(q) + 1)] : rows();
  }

  /// The row after the last of a document's prefix; its first row where it has none.
  index_t prefix_end(index_t document) const { return prefix_ends_[at(document)]; }

  /// The span of row q, or null where q is text.
  const span* span_of(index_t q) const { return row_span_[at(q)] < 0 ? nullptr : &spans_[at(row_span_[at(q)])]; }
  /// The rows of q's image; a text row is its own span [q, q + 1).
  index_t span_begin(index_t q) const { return span_of(q) ? span_of(q)->begin : q; }
  index_t span_end(index_t q) const { return span_of(q) ? span_of(q)->end : q + 1; }

 private:
  static std::size_t at(index_t i) { return static_cast<std::size_t>(i); }
  void append_row(token_t span_number) {
    row_span_.push_back(span_number);
    row_document_.push_back(static_cast<token_t>(documents()) - 1);
  }

  std::vector<index_t> document_begins_;
  std::vector<index_t> prefix_ends_;
  std::vector<token_t> row_document_;
  std::vector<token_t> row_span_;
  std::vector<span> spans_;
};

}  // namespace transfusion
