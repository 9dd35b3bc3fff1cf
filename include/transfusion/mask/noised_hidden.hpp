// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/mask/concepts.hpp"

namespace transfusion::mask {

/// intra_image over clean images, and noised images that nothing else sees (Deng et al. 2025, BAGEL): training lays
/// a noised copy of each image behind its document. A row of it sees what stood before the clean one, and its own copy:
/// two intervals. While an image is generated it has no copies, and this is intra_image.
struct noised_hidden {
  static constexpr bool clean_copies = true;

  two_key_intervals keys(index_t q, const span_table& table) const {
    const index_t begin = table.document_begin(q), end = table.span_end(q);
    const span* s = table.span_of(q);
    if (s == nullptr || s->source < 0) return {key_interval::of(begin, end), key_interval::of(end, end)};
    const span& clean = table.spans()[static_cast<std::size_t>(s->source)];
    return {key_interval::of(begin, clean.begin), key_interval::of(s->begin, end)};
  }
};

}  // namespace transfusion::mask
