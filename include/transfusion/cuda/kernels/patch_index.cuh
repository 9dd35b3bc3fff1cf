// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/host_device.hpp"
#include "transfusion/core/image.hpp"

namespace transfusion::cuda {

/// Where a value of an image stands in its rows of patches, both counted from the image's first.
template <class Int>
struct patch_cell {
  Int row, col;
};

/// An image [C, Z, H, W] whose patches are rows [C * patch.size()], both in raster order. Int: wide enough for the
/// image's size; 32 bits divide several times as fast as 64 on a device.
template <class Int>
struct patch_index {
  Int depth, height, width, patch_depth, patch_height, patch_width;

  TRANSFUSION_HD patch_index(const image_shape& s, const patch_shape& p)
      : depth(static_cast<Int>(s.depth)),
        height(static_cast<Int>(s.height)),
        width(static_cast<Int>(s.width)),
        patch_depth(static_cast<Int>(p.depth)),
        patch_height(static_cast<Int>(p.height)),
        patch_width(static_cast<Int>(p.width)) {}

  /// The cell of value e.
  TRANSFUSION_HD patch_cell<Int> cell(Int e) const {
    const Int line = e / width, plane = line / height, channel = plane / depth;
    const Int x = e % width, y = line % height, z = plane % depth;
    const Int down = height / patch_height, across = width / patch_width;
    return {
        (z / patch_depth * down + y / patch_height) * across + x / patch_width,
        ((channel * patch_depth + z % patch_depth) * patch_height + y % patch_height) * patch_width + x % patch_width};
  }
  /// The value of the cell (row, col).
  TRANSFUSION_HD Int value(Int row, Int col) const {
    const Int down = height / patch_height, across = width / patch_width;
    const Int patch_line = row / across, line = col / patch_width, plane = line / patch_height;
    const Int x = row % across * patch_width + col % patch_width;
    const Int y = patch_line % down * patch_height + line % patch_height;
    const Int z = patch_line / down * patch_depth + plane % patch_depth;
    return ((plane / patch_depth * depth + z) * height + y) * width + x;
  }
};

/// Whether 32 bits count the image's values, one pack past the end included.
TRANSFUSION_HD constexpr bool counts_in_32_bits(const image_shape& s) { return s.size() < (index_t{1} << 31); }

}  // namespace transfusion::cuda
