// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/error.hpp"
#include "transfusion/sequence/packed_batch.hpp"

namespace transfusion {

/// How many rows an image takes in a packed batch, its markers and its noised copy included.
inline index_t packed_rows(const image& im, const packing_rules& rules, const grid_rule& grid) {
  require<shape_error>(im.modality >= 0 && im.modality < static_cast<index_t>(rules.modalities.size()),
                       "image: modality ", im.modality, ", expected 0 to ", rules.modalities.size() - 1);
  const bool codes = rules.modalities[static_cast<std::size_t>(im.modality)].codes > 0;
  const index_t once = grid(im.shape, im.modality).patches() + (codes ? 0 : rules.lead_rows);
  const bool copied = rules.clean_copies && !codes && !im.context;
  return 2 + (copied ? 2 : 1) * once;
}

/// How many rows `pack` gives a document. Reads the shapes of its images, not their values. Throws shape_error on an
/// image of no modality, and what the grid throws.
inline index_t packed_rows(const document& d, const packing_rules& rules, const grid_rule& grid) {
  index_t rows = (rules.bos != ignored) + (rules.eos != ignored && !d.open_ended);
  for (const segment& s : d.segments) {
    if (const text* t = std::get_if<text>(&s))
      rows += static_cast<index_t>(t->tokens.size());
    else
      rows += packed_rows(std::get<image>(s), rules, grid);
  }
  return rows;
}

}  // namespace transfusion
