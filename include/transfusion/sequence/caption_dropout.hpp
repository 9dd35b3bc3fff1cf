// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>
#include <vector>

#include "transfusion/core/philox.hpp"
#include "transfusion/sequence/document.hpp"

namespace transfusion {

/// What an image looks like to the unguided branch of classifier-free guidance: a document that holds it alone, BOS BOI
/// in front, and nothing to learn after EOI. Sampling starts its unguided rows from the same document.
inline document without_context(image im) {
  document bare;
  bare.segments.emplace_back(std::move(im));
  bare.open_ended = true;
  return bare;
}

/// What a document looks like to the branch of guidance that sees images alone: the same images without the text
/// between them (Brooks et al. 2022, §3.2.1). Nothing is learnt after the last one.
inline document without_text(const document& d) {
  document bare;
  bare.open_ended = true;
  for (std::size_t i = 0; i < d.segments.size(); ++i) {
    if (!std::holds_alternative<image>(d.segments[i])) continue;
    bare.segments.push_back(d.segments[i]);
    bare.prefix_segments += static_cast<index_t>(i) < d.prefix_segments;
  }
  return bare;
}

/// Drops the captions of each caption-first document with this probability (Ho & Salimans 2022): each of its images
/// becomes a document of its own. Documents that begin with an image, or have none, stay as they are.
inline void drop_captions(std::vector<document>& documents, double probability, random_key key) {
  if (probability <= 0) return;
  const std::size_t count = documents.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto& segments = documents[i].segments;
    const bool caption_first = segments.size() > 1 && std::holds_alternative<text>(segments.front());
    if (!caption_first || key.uniform(i) >= probability) continue;
    const document dropped = std::exchange(documents[i], {});
    bool first = true;
    for (const segment& s : dropped.segments) {
      if (!std::holds_alternative<image>(s)) continue;
      document bare = without_context(std::get<image>(s));
      if (std::exchange(first, false))
        documents[i] = std::move(bare);
      else
        documents.push_back(std::move(bare));
    }
    if (first) documents[i] = dropped;  // it held text alone
  }
}

}  // namespace transfusion
