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

/// An image [C, H, W] whose patches are rows [C * patch * patch] in raster order. Int: wide enough for the image's
/// size; 32 bits divide several times as fast as 64 on a device.
template <class Int>
struct patch_index {
  Int height, width, patch;

  TRANSFUSION_HD patch_index(const image_shape& s, index_t p)
      : height(static_cast<Int>(s.height)), width(static_cast<Int>(s.width)), patch(static_cast<Int>(p)) {}

  /// The cell of value e.
  TRANSFUSION_HD patch_cell<Int> cell(Int e) const {
    const Int line = e / width, x = e % width, channel = line / height, y = line % height;
    return {y / patch * (width / patch) + x / patch, (channel * patch + y % patch) * patch + x % patch};
  }
  /// The value of the cell (row, col).
  TRANSFUSION_HD Int value(Int row, Int col) const {
    const Int across = width / patch, line = col / patch, channel = line / patch;
    const Int y = row / across * patch + line % patch, x = row % across * patch + col % patch;
    return (channel * height + y) * width + x;
  }
};

/// Whether 32 bits count the image's values, one pack past the end included.
TRANSFUSION_HD constexpr bool counts_in_32_bits(const image_shape& s) { return s.size() < (index_t{1} << 31); }

}  // namespace transfusion::cuda
