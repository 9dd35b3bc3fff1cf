// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/sequence/document.hpp"

namespace transfusion {

/// Whether a document is text alone and has no prefix: only such a one is ever cut.
inline bool is_plain_text(const document& d) {
  return d.prefix_segments == 0 && std::all_of(d.segments.begin(), d.segments.end(),
                                               [](const segment& s) { return std::holds_alternative<text>(s); });
}

/// The tokens in all text segments of a document.
inline index_t text_tokens(const document& d) {
  index_t count = 0;
  for (const segment& s : d.segments)
    if (const text* t = std::get_if<text>(&s)) count += static_cast<index_t>(t->tokens.size());
  return count;
}

/// Tokens [begin, end) of a document of text as a document of its own, which EOS ends where it ended the whole. A piece
/// that goes on begins with BOS like any document: what stood before it is not seen.
inline document text_piece(const document& d, index_t begin, index_t end) {
  text piece;
  index_t first = 0;
  for (const segment& s : d.segments) {
    const auto& tokens = std::get<text>(s).tokens;
    const auto count = static_cast<index_t>(tokens.size());
    const index_t from = std::clamp<index_t>(begin - first, 0, count), to = std::clamp<index_t>(end - first, 0, count);
    piece.tokens.insert(piece.tokens.end(), tokens.begin() + from, tokens.begin() + to);
    first += count;
  }
  document cut{std::move(piece)};
  cut.open_ended = d.open_ended || end < first;
  return cut;
}

}  // namespace transfusion
