// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/sequence/document.hpp"
#include "transfusion/sequence/span_table.hpp"

namespace transfusion {

/// Documents laid end to end on one token axis, without padding, on the host.
struct packed_batch {
  span_table table;
  std::vector<token_t> tokens;       ///< [N]; `ignored` on patch rows
  std::vector<token_t> targets;      ///< [N]; what the row predicts, or `ignored` (paper.md §1.6, see docs/paper.md)
  std::vector<token_t> patch_rows;   ///< [P]; where the patches stand on the token axis
  std::vector<token_t> patch_image;  ///< [P]; the image of each patch
  std::vector<image_place> images;   ///< [I]
  std::vector<float> values;         ///< all images, clean, flat
  std::vector<token_t> text_rows;    ///< rows with a target, in rising order

  index_t rows() const { return static_cast<index_t>(tokens.size()); }
  index_t patches() const { return static_cast<index_t>(patch_rows.size()); }
  /// How many rows carry a next-token loss, and how many images a denoising loss.
  index_t text_targets() const { return static_cast<index_t>(text_rows.size()); }
  index_t image_count() const { return static_cast<index_t>(images.size()); }
};

namespace detail {

/// Lays documents out row by row. `Grid` gives the patch grid of an image: grid(image_shape) -> {rows, cols}.
template <class Grid>
class packer {
 public:
  packer(marker_tokens markers, Grid grid) : markers_(markers), grid_(grid) {}

  void add(const document& d) {
    batch_.table.begin_document();
    if (markers_.bos != ignored) put_token(markers_.bos);
    bool text_before = false;
    for (auto s = d.segments.begin(); s != d.segments.end(); ++s) {
      if (const text* t = std::get_if<text>(&*s)) {
        put_text(*t);
        text_before = text_before || !t->tokens.empty();
      } else {
        put_image(std::get<image>(*s), !text_before && holds_text(s + 1, d.segments.end()));
      }
    }
    if (!d.open_ended && markers_.eos != ignored) put_token(markers_.eos);
  }

  packed_batch finish() {
    for (index_t n = 0; n < batch_.rows(); ++n)
      if (batch_.targets[static_cast<std::size_t>(n)] != ignored) batch_.text_rows.push_back(static_cast<token_t>(n));
    return std::move(batch_);
  }

 private:
  using segment_iterator = std::vector<segment>::const_iterator;
  static bool holds_text(segment_iterator begin, segment_iterator end) {
    return std::any_of(begin, end, [](const segment& s) {
      const text* t = std::get_if<text>(&s);
      return t && !t->tokens.empty();
    });
  }

  void put_text(const text& t) {
    for (token_t token : t.tokens) {
      require<shape_error>(token >= 0, "document ", batch_.table.documents() - 1, ": token ", token, ", expected >= 0");
      put_token(token);
    }
  }

  /// A token is the target of the row before it, unless that row is a patch or belongs to another document. EOI is no
  /// target.
  void put_token(token_t token) {
    const index_t row = batch_.rows();
    batch_.table.append_text();
    const bool follows_text = row > batch_.table.document_begin(row) && batch_.tokens.back() != ignored;
    if (follows_text) batch_.targets.back() = token;
    batch_.tokens.push_back(token);
    batch_.targets.push_back(ignored);
  }

  /// Throws shape_error with the document's number before what is wrong with the image.
  auto grid_of(const image& im) const {
    try {
      require_extent("image: number of values against its shape", static_cast<index_t>(im.values.size()),
                     im.shape.size());
      return grid_(im.shape);
    } catch (const shape_error& e) {
      throw shape_error(message("document ", batch_.table.documents() - 1, ": ", e.what()));
    }
  }

  void put_image(const image& im, bool leads) {
    const auto grid = grid_of(im);
    put_token(markers_.boi);  // its own target stays `ignored`: the next row is a patch
    batch_.images.push_back({static_cast<index_t>(batch_.values.size()), batch_.patches(), im.shape});
    batch_.values.insert(batch_.values.end(), im.values.begin(), im.values.end());
    const token_t number = static_cast<token_t>(batch_.image_count()) - 1;
    batch_.table.append_span(grid.rows, grid.cols, number, leads);
    for (index_t p = 0; p < grid.rows * grid.cols; ++p) {
      batch_.patch_rows.push_back(static_cast<token_t>(batch_.rows()));
      batch_.patch_image.push_back(number);
      batch_.tokens.push_back(ignored);
      batch_.targets.push_back(ignored);
    }
    put_token(markers_.eoi);
  }

  marker_tokens markers_;
  Grid grid_;
  packed_batch batch_;
};

}  // namespace detail

/// Packs documents into one batch: BOS, the segments with BOI … EOI around each image, EOS. Next-token targets follow
/// the paper (§3): no loss on a BOI input, none on patches, EOI never predicted. Throws shape_error on a document whose
/// image does not fit its shape or the grid, or on a negative token.
template <class Grid>
packed_batch pack(const std::vector<document>& documents, marker_tokens markers, Grid grid) {
  detail::packer<Grid> packer(markers, grid);
  for (const document& d : documents) packer.add(d);
  return packer.finish();
}

}  // namespace transfusion
