// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "transfusion/core/inline.hpp"
#include "transfusion/sequence/packed_batch.hpp"

namespace transfusion {

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
    if (around.codes > 0) return put_codes(im, around);
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

  /// An image of codes: the rows from the begin token on learn the codes, unless they are context. The end token is no
  /// target, as behind any image.
  void put_codes(const image& im, const modality_markers& around) {
    put_token(around.begin);
    if (!im.context) ++batch_.code_images;
    for (float value : im.values) {
      const bool in_range = value >= 0 && value < static_cast<float>(around.codes);
      require<shape_error>(in_range && std::floor(value) == value, "document ", batch_.table.documents() - 1, ": code ",
                           value, ", expected a whole number from 0 to ", around.codes - 1);
      put_token(around.first_code + static_cast<token_t>(value));
      if (im.context) forget_last_target();
    }
    put_token(around.end);
    forget_last_target();
  }
  void forget_last_target() { batch_.targets[static_cast<std::size_t>(batch_.rows()) - 2] = ignored; }

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

TRANSFUSION_INLINE void require_markers(const marker_tokens& markers, std::span<const modality_markers> modalities,
                                        index_t vocabulary) {
  const auto require_token = [&](const std::string& name, token_t value) {
    require<config_error>(value >= 0 && value < vocabulary, name, ": found ", value,
                          ", expected a token of the vocabulary of ", vocabulary);
  };
  if (markers.bos != ignored) require_token("markers.bos", markers.bos);
  if (markers.eos != ignored) require_token("markers.eos", markers.eos);
  std::vector<token_t> taken{markers.bos, markers.eos};
  const auto free = [&](token_t t) { return std::find(taken.begin(), taken.end(), t) == taken.end(); };
  for (std::size_t m = 0; m < modalities.size(); ++m) {
    const token_t begin = modalities[m].begin, end = modalities[m].end;
    const bool first = m == 0;  // it has names of its own in the configuration
    const std::string where = first ? "markers" : "modality " + std::to_string(m);
    const std::string begin_name = first ? "boi" : "begin", end_name = first ? "eoi" : "end";
    require_token(where + (first ? "." : ": ") + begin_name, begin);
    require_token(where + (first ? "." : ": ") + end_name, end);
    require<config_error>(begin != end && free(begin) && free(end), where, ": found ", begin_name, " ", begin, ", ",
                          end_name, " ", end, ", expected tokens that no other marker has");
    taken.insert(taken.end(), {begin, end});
  }
  const token_t last_marker = *std::max_element(taken.begin(), taken.end());
  for (std::size_t m = 0; m < modalities.size(); ++m) {
    if (modalities[m].codes == 0) continue;
    const std::string where = m == 0 ? "codec.first" : "modality " + std::to_string(m) + ": codec.first";
    const index_t first = modalities[m].first_code, end = first + modalities[m].codes;
    require<config_error>(first > last_marker && end <= vocabulary, where, ": found tokens ", first, " to ", end - 1,
                          " for the codes, expected tokens behind the last marker, ", last_marker,
                          ", in the vocabulary of ", vocabulary);
    for (std::size_t other = 0; other < m; ++other)
      require<config_error>(modalities[other].codes == 0 || modalities[other].first_code >= end ||
                                modalities[other].first_code + modalities[other].codes <= first,
                            where, ": found tokens ", first, " to ", end - 1, ", expected none of those of modality ",
                            other);
  }
}

}  // namespace detail

TRANSFUSION_INLINE packed_batch pack(const std::vector<document>& documents, const packing_rules& rules,
                                     const grid_rule& grid) {
  detail::packer packer(rules, grid);
  for (const document& d : documents) packer.add(d);
  return packer.finish();
}

}  // namespace transfusion
