// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/types.hpp"

namespace transfusion {

/// Channels, height and width of one continuous item, stored [C, H, W]. A 1-D signal has height 1.
struct image_shape {
  index_t channels = 1;
  index_t height = 0;
  index_t width = 0;

  constexpr index_t size() const { return channels * height * width; }
  friend constexpr bool operator==(const image_shape&, const image_shape&) = default;
};

/// Where one image lies in a batch: its first value in the flat value array, its first row among all patches, its
/// shape.
struct image_place {
  index_t first_value = 0;
  index_t first_patch = 0;
  image_shape shape;
};

}  // namespace transfusion
