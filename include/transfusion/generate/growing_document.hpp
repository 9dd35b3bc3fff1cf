// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "transfusion/generate/cached_pass.hpp"
#include "transfusion/generate/request.hpp"
#include "transfusion/generate/result.hpp"

namespace transfusion::detail {

/// One request on its way.
struct growing_document {
  enum class mode { text, image, done };

  generated_document result;
  /// The document itself, and what guidance compares an item of it with: the same item without any context, and after
  /// the document's images alone.
  std::array<cached_sequence, 3> branches;
  const image_edit* edit = nullptr;  ///< of the next item
  std::uint64_t seed = 0;
  mode now = mode::text;
  index_t modality = 0;  ///< of the next item
  index_t tokens = 0, images = 0;
  token_t next = ignored;  ///< what its logits gave; `ignored` where they gave nothing

  cached_sequence& own() { return branches[0]; }
  double from_time() const { return edit ? edit->from_time : 1; }

  /// The prompt's last segment stays as it is, even where the text goes on.
  void append_token(token_t token) {
    auto& segments = result.content.segments;
    const bool begins = static_cast<index_t>(segments.size()) == result.prompt_segments;
    if (begins || !std::holds_alternative<text>(segments.back())) segments.emplace_back(text{});
    std::get<text>(segments.back()).tokens.push_back(token);
    own().table.append_text();
    ++tokens;
  }
  void append_item(image item) {
    result.content.segments.emplace_back(std::move(item));
    edit = nullptr;
    ++images;
  }
  void begin_item(index_t of_modality) {
    now = mode::image;
    modality = of_modality;
  }
  void finish(finish_reason reason) {
    now = mode::done;
    result.reason = reason;
    result.content.open_ended = reason != finish_reason::end_token;
  }
};

}  // namespace transfusion::detail
