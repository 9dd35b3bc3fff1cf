// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
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

/// Takes the text out of each document that holds text and images with this probability: what the images-only branch of
/// guidance with two scales sees (Brooks et al. 2022, §3.2.1).
inline void drop_text(std::vector<document>& documents, double probability, random_key key) {
  constexpr std::uint64_t beyond_captions = std::uint64_t{1} << 32;
  for (std::size_t i = 0; probability > 0 && i < documents.size(); ++i) {
    const auto& segments = documents[i].segments;
    const auto is_text = [](const segment& s) { return std::holds_alternative<text>(s); };
    const bool mixed = std::any_of(segments.begin(), segments.end(), is_text) &&
                       !std::all_of(segments.begin(), segments.end(), is_text);
    if (mixed && key.uniform(beyond_captions + i) < probability) documents[i] = without_text(documents[i]);
  }
}

/// Drops what stands before the images of a document with this probability (Ho & Salimans 2022): each image that is
/// learnt becomes a document of its own. So for documents that begin with text or with an image of context; those that
/// begin with an image to be learnt, or have none, stay as they are.
inline void drop_captions(std::vector<document>& documents, double probability, random_key key) {
  if (probability <= 0) return;
  const std::size_t count = documents.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto& segments = documents[i].segments;
    const auto learnt = [](const segment& s) {
      return std::holds_alternative<image>(s) && !std::get<image>(s).context;
    };
    const bool leads_on = segments.size() > 1 && !learnt(segments.front());
    if (!leads_on || key.uniform(i) >= probability) continue;
    const document dropped = std::exchange(documents[i], {});
    bool first = true;
    for (const segment& s : dropped.segments) {
      if (!learnt(s)) continue;
      document bare = without_context(std::get<image>(s));
      if (std::exchange(first, false))
        documents[i] = std::move(bare);
      else
        documents.push_back(std::move(bare));
    }
    if (first) documents[i] = dropped;  // nothing in it is drawn
  }
}

}  // namespace transfusion
