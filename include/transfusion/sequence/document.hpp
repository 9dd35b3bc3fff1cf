// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>
#include <variant>
#include <vector>

#include "transfusion/core/image.hpp"
#include "transfusion/core/types.hpp"

namespace transfusion {

/// No variant has more kinds of continuous items.
inline constexpr std::size_t max_modalities = 8;

/// A run of vocabulary entries.
struct text {
  std::vector<token_t> tokens;
};

/// An item: a latent or pixel image, a signal, a volume, or the codes of one. values: [C, Z, H, W], clean.
struct image {
  image_shape shape;
  std::vector<float> values;
  index_t modality = 0;  ///< which of the variant's continuous modalities it belongs to
  bool context = false;  ///< read clean and not learnt: no noise, no denoising loss
};

/// A part of a document.
using segment = std::variant<text, image>;

/// Text and images in the order in which they are read. Markers (BOS, BOI, EOI, EOS) are put in by the packing.
struct document {
  std::vector<segment> segments;
  /// The document stops after its last segment without EOS, and nothing is learnt there: a prompt, or a dropped
  /// caption.
  bool open_ended = false;
  /// How many leading segments are the prefix, whose rows see each other both ways under mask::prefix.
  index_t prefix_segments = 0;

  document() = default;
  document(std::initializer_list<segment> s) : segments(s) {}
};

/// The vocabulary entries with a meaning of their own. `bos` and `eos` may be absent (`ignored`).
struct marker_tokens {
  token_t bos = 0;  ///< begins a document
  token_t eos = 1;  ///< ends a document
  token_t boi = 2;  ///< begins an image: the model's way of asking for one
  token_t eoi = 3;  ///< ends an image; always appended, never predicted
};

}  // namespace transfusion
