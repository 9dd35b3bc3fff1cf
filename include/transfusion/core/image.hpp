// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/types.hpp"

namespace transfusion {

/// Channels, height, width and depth of one continuous item, stored [C, Z, H, W]. An image has depth 1, a 1-D signal
/// height 1 too.
struct image_shape {
  index_t channels = 1;
  index_t height = 0;
  index_t width = 0;
  index_t depth = 1;

  constexpr index_t size() const { return channels * depth * height * width; }
  friend constexpr bool operator==(const image_shape&, const image_shape&) = default;
};

/// The window that one patch covers, in values of one channel.
struct patch_shape {
  index_t height = 1;
  index_t width = 1;
  index_t depth = 1;

  constexpr index_t size() const { return depth * height * width; }
  friend constexpr bool operator==(const patch_shape&, const patch_shape&) = default;
};

/// How many patches an image becomes: down, across, and along its depth.
struct patch_grid {
  index_t rows = 0;
  index_t cols = 0;
  index_t planes = 1;

  constexpr index_t patches() const { return planes * rows * cols; }
};

/// Where one image lies in a batch: its first value in the flat value array, its first row among all patches, its
/// shape.
struct image_place {
  index_t first_value = 0;
  index_t first_patch = 0;
  image_shape shape;
};

}  // namespace transfusion
