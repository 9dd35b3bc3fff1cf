// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "transfusion/sequence/document.hpp"

namespace transfusion {

/// How many of the paper's pairs have their caption before the image (§4.1).
inline constexpr double caption_first_share = 0.8;

/// A caption and its image as one document, in the order that u decides: caption first where u < share. u is uniform on
/// (0, 1), drawn for this pair.
inline document paired(text caption, image picture, double u, double share = caption_first_share) {
  if (u < share) return {std::move(caption), std::move(picture)};
  return {std::move(picture), std::move(caption)};
}

}  // namespace transfusion
