// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/sequence/document.hpp"
#include "transfusion/sequence/span_table.hpp"

namespace transfusion {

/// The images of one modality in a batch, as its codec reads them: I images, P patches.
struct modality_batch {
  std::vector<token_t> numbers;      ///< [I]; their numbers among all images of the batch
  std::vector<image_place> places;   ///< [I]; patches counted in this modality, values in the whole batch
  std::vector<token_t> patch_rows;   ///< [P]; where the patches stand on the token axis
  std::vector<token_t> patch_image;  ///< [P]; the image of each patch, counted in this modality
  std::vector<token_t> time_rows;    ///< [I], or empty: the row of each image that tells its time
  index_t noised = 0;                ///< how many of them are noised and learnt

  index_t patches() const { return static_cast<index_t>(patch_rows.size()); }
  index_t image_count() const { return static_cast<index_t>(numbers.size()); }
};

/// Documents laid end to end on one token axis, without padding, on the host.
struct packed_batch {
  span_table table;
  std::vector<token_t> tokens;      ///< [N]; `ignored` on an image's rows
  std::vector<token_t> targets;     ///< [N]; what the row predicts, or `ignored` (paper.md §1.6, see docs/paper.md)
  std::vector<image_place> images;  ///< [I], all modalities; patches counted in each image's own modality
  std::vector<char> context;        ///< [I]; 1: the image stays clean and is not learnt
  std::vector<float> values;        ///< all images, clean, flat
  std::vector<modality_batch> modalities;
  std::vector<token_t> text_rows;  ///< rows with a target, in rising order

  index_t rows() const { return static_cast<index_t>(tokens.size()); }
  index_t patches() const {
    index_t n = 0;
    for (const modality_batch& m : modalities) n += m.patches();
    return n;
  }
  /// How many rows carry a next-token loss, how many images there are, and how many of them carry a denoising loss.
  index_t text_targets() const { return static_cast<index_t>(text_rows.size()); }
  index_t image_count() const { return static_cast<index_t>(images.size()); }
  index_t noised_images() const {
    index_t n = 0;
    for (const modality_batch& m : modalities) n += m.noised;
    return n;
  }
};

/// The tokens around the images of one modality.
struct modality_markers {
  token_t begin = ignored;
  token_t end = ignored;
};

/// How documents become rows: the tokens that packing puts in, and what a variant's policies ask for.
struct packing_rules {
  token_t bos = ignored;
  token_t eos = ignored;
  std::vector<modality_markers> modalities;
  index_t lead_rows = 0;          ///< rows before the patches of each image that tell its time
  bool clean_copies = false;      ///< images stand clean in their place, and noised behind their document's end
  bool prefix_both_ways = false;  ///< rows of a prefix see each other: none of them but the last has a target
};

/// Gives the patches of an image of this shape and modality.
using grid_rule = std::function<patch_grid(image_shape, index_t)>;

namespace detail {

/// Lays documents out row by row.
class packer {
 public:
  packer(const packing_rules& rules, const grid_rule& grid) : rules_(rules), grid_(grid) {
    batch_.modalities.resize(rules.modalities.size());
  }

  void add(const document& d) {
    const auto segments = static_cast<index_t>(d.segments.size());
    require<shape_error>(d.prefix_segments >= 0 && d.prefix_segments <= segments, "document ", batch_.table.documents(),
                         ": prefix_segments: found ", d.prefix_segments, ", expected 0 to ", segments);
    batch_.table.begin_document();
    if (rules_.bos != ignored) put_token(rules_.bos);
    bool text_before = false;
    for (auto s = d.segments.begin(); s != d.segments.end(); ++s) {
      if (const text* t = std::get_if<text>(&*s)) {
        put_text(*t);
        text_before = text_before || !t->tokens.empty();
      } else {
        put_image(std::get<image>(*s), !text_before && holds_text(s + 1, d.segments.end()));
      }
      if (s - d.segments.begin() + 1 == d.prefix_segments) end_prefix();
    }
    if (!d.open_ended && rules_.eos != ignored) put_token(rules_.eos);
    for (const noised_copy& c : copies_) put_rows(*c.original, c.like, false);
    copies_.clear();
  }

  packed_batch finish() {
    for (index_t n = 0; n < batch_.rows(); ++n)
      if (batch_.targets[static_cast<std::size_t>(n)] != ignored) batch_.text_rows.push_back(static_cast<token_t>(n));
    return std::move(batch_);
  }

 private:
  /// A noised copy that waits for the end of its document.
  struct noised_copy {
    const image* original;
    span like;
  };

  using segment_iterator = std::vector<segment>::const_iterator;
  static bool holds_text(segment_iterator begin, segment_iterator end) {
    return std::any_of(begin, end, [](const segment& s) {
      const text* t = std::get_if<text>(&s);
      return t && !t->tokens.empty();
    });
  }

  void end_prefix() {
    batch_.table.end_prefix();
    if (!rules_.prefix_both_ways) return;
    for (index_t q = batch_.table.document_begin(batch_.rows() - 1); q + 1 < batch_.rows(); ++q)
      batch_.targets[static_cast<std::size_t>(q)] = ignored;
  }

  void put_text(const text& t) {
    for (token_t token : t.tokens) {
      require<shape_error>(token >= 0, "document ", batch_.table.documents() - 1, ": token ", token, ", expected >= 0");
      put_token(token);
    }
  }

  /// A token is the target of the row before it, unless that row is an image's or belongs to another document. The
  /// token that ends an image is no target.
  void put_token(token_t token) {
    const index_t row = batch_.rows();
    batch_.table.append_text();
    const bool follows_text = row > batch_.table.document_begin(row) && batch_.tokens.back() != ignored;
    if (follows_text) batch_.targets.back() = token;
    batch_.tokens.push_back(token);
    batch_.targets.push_back(ignored);
  }

  /// Throws shape_error with the document's number before what is wrong with the image.
  patch_grid grid_of(const image& im) const {
    try {
      require<shape_error>(im.modality >= 0 && im.modality < static_cast<index_t>(rules_.modalities.size()),
                           "image: modality ", im.modality, ", expected 0 to ", rules_.modalities.size() - 1);
      require_extent("image: number of values against its shape", static_cast<index_t>(im.values.size()),
                     im.shape.size());
      return grid_(im.shape, im.modality);
    } catch (const shape_error& e) {
      throw shape_error(message("document ", batch_.table.documents() - 1, ": ", e.what()));
    }
  }

  void put_image(const image& im, bool leads) {
    const patch_grid grid = grid_of(im);
    const modality_markers around = rules_.modalities[static_cast<std::size_t>(im.modality)];
    put_token(around.begin);  // its own target stays `ignored`: the next row is an image's
    span s{.rows = grid.rows,
           .cols = grid.cols,
           .leads = leads,
           .planes = grid.planes,
           .modality = im.modality,
           .lead_rows = rules_.lead_rows};
    const bool apart = rules_.clean_copies && !im.context;
    put_rows(im, s, im.context || apart);
    if (apart) {
      s.source = static_cast<index_t>(batch_.table.spans().size()) - 1;
      copies_.push_back({&im, s});
    }
    put_token(around.end);
  }

  /// The rows of one image, clean or to be noised.
  void put_rows(const image& im, span s, bool clean) {
    modality_batch& m = batch_.modalities[static_cast<std::size_t>(im.modality)];
    const index_t number = batch_.image_count(), local = m.image_count();
    const image_place place{static_cast<index_t>(batch_.values.size()), m.patches(), im.shape};
    batch_.images.push_back(place);
    batch_.context.push_back(clean);
    batch_.values.insert(batch_.values.end(), im.values.begin(), im.values.end());
    m.places.push_back(place);
    m.numbers.push_back(static_cast<token_t>(number));
    m.noised += clean ? 0 : 1;
    s.image = number;
    batch_.table.append_span(s);
    for (index_t i = 0; i < s.lead_rows + s.patches(); ++i) {
      const auto row = static_cast<token_t>(batch_.rows());
      if (i < s.lead_rows) {
        m.time_rows.push_back(row);
      } else {
        m.patch_rows.push_back(row);
        m.patch_image.push_back(static_cast<token_t>(local));
      }
      batch_.tokens.push_back(ignored);
      batch_.targets.push_back(ignored);
    }
  }

  packing_rules rules_;
  const grid_rule& grid_;
  packed_batch batch_;
  std::vector<noised_copy> copies_;
};

}  // namespace detail

/// Packs documents into one batch: BOS, the segments with begin and end tokens around each image, EOS. Next-token
/// targets follow the paper (§3): no loss on a BOI input, none on patches, EOI never predicted. Throws shape_error on a
/// document whose image does not fit its shape, its modality or the grid, or on a negative token.
inline packed_batch pack(const std::vector<document>& documents, const packing_rules& rules, const grid_rule& grid) {
  detail::packer packer(rules, grid);
  for (const document& d : documents) packer.add(d);
  return packer.finish();
}

}  // namespace transfusion
