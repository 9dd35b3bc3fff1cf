// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "transfusion/core/image.hpp"
#include "transfusion/core/types.hpp"

namespace transfusion {

/// A continuous span (the patches of one image) on the token axis.
struct span {
  index_t begin = 0;
  index_t end = 0;
  index_t document = 0;
  index_t image = 0;  ///< its number among all images of the batch
  index_t rows = 0;   ///< its grid of patches
  index_t cols = 0;
  bool leads = false;  ///< its text comes after it, none before: "image first"
};

/// Where each document and each image lies on one packed token axis. Masks, positions, codecs, losses and decoding read
/// this and nothing else; a prompt that grows while it is generated is the same table, appended to. All answers are
/// O(1).
class span_table {
 public:
  void begin_document() { document_begins_.push_back(rows()); }

  void append_text(index_t count = 1) {
    for (index_t i = 0; i < count; ++i) append_row(-1);
  }

  /// Appends the patches of an image, a grid of rows × cols.
  void append_span(index_t grid_rows, index_t grid_cols, index_t image, bool leads) {
    spans_.push_back({rows(), rows() + grid_rows * grid_cols, documents() - 1, image, grid_rows, grid_cols, leads});
    for (index_t i = 0; i < grid_rows * grid_cols; ++i) append_row(static_cast<token_t>(spans_.size()) - 1);
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
  std::vector<token_t> row_document_;
  std::vector<token_t> row_span_;
  std::vector<span> spans_;
};

}  // namespace transfusion
