// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "transfusion/codec/windows.hpp"
#include "transfusion/core/error.hpp"
#include "transfusion/core/inline.hpp"

namespace transfusion::codec {

TRANSFUSION_INLINE patch_grid cut(image_shape shape, index_t channels, patch_shape window) {
  require_extent("image channels", shape.channels, channels);
  const auto whole = [](index_t extent, index_t part) { return extent > 0 && extent % part == 0; };
  if (whole(shape.height, window.height) && whole(shape.width, window.width) && whole(shape.depth, window.depth))
    return {shape.height / window.height, shape.width / window.width, shape.depth / window.depth};
  const bool flat = shape.depth == 1 && window.depth == 1;
  const auto extents = [&](index_t depth, index_t height, index_t width) {
    return (flat ? "" : std::to_string(depth) + " x ") + std::to_string(height) + " x " + std::to_string(width);
  };
  const bool square = flat && window.height == window.width;
  throw shape_error(
      transfusion::detail::message(flat ? "image of " : "volume of ", extents(shape.depth, shape.height, shape.width),
                                   ": expected multiples of the ",
                                   square ? "patch size " + std::to_string(window.width)
                                          : "patch, " + extents(window.depth, window.height, window.width)));
}

}  // namespace transfusion::codec
