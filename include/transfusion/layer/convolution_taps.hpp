// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/image.hpp"
#include "transfusion/core/interval.hpp"

// Host tables for convolutions over grids of 1 to 3 axes. The pixels of all images are the rows of one matrix, image
// after image, each in raster order: planes, then rows, then columns. A signal is a grid of one row, an image one of
// one plane.
namespace transfusion {

/// The grid that a convolution of this stride makes of `grid`, padded so that stride 1 keeps it.
constexpr patch_grid strided(patch_grid grid, patch_shape stride) {
  const auto part = [](index_t extent, index_t step) { return (extent + step - 1) / step; };
  return {part(grid.rows, stride.height), part(grid.cols, stride.width), part(grid.planes, stride.depth)};
}

namespace detail {

/// Calls f(plane, row, column) for the pixels of a grid in raster order.
template <class F>
void each_pixel(patch_grid grid, const F& f) {
  for (index_t z = 0; z < grid.planes; ++z)
    for (index_t y = 0; y < grid.rows; ++y)
      for (index_t x = 0; x < grid.cols; ++x) f(z, y, x);
}

/// The row of a pixel within its image, or -1 outside.
constexpr index_t pixel_row(patch_grid grid, index_t z, index_t y, index_t x) {
  const bool inside = 0 <= z && z < grid.planes && 0 <= y && y < grid.rows && 0 <= x && x < grid.cols;
  return inside ? (z * grid.rows + y) * grid.cols + x : -1;
}

/// The pixels of all grids; throws config_error for an empty grid, or more rows than a token_t counts.
inline index_t count_pixels(std::span<const patch_grid> grids, const char* part) {
  index_t pixels = 0;
  for (const patch_grid& g : grids) {
    require<config_error>(g.planes > 0 && g.rows > 0 && g.cols > 0, part, ": a grid of ", g.planes, " x ", g.rows,
                          " x ", g.cols, ", expected at least one pixel");
    pixels += g.patches();
  }
  require<config_error>(pixels <= std::numeric_limits<token_t>::max(), part, ": ", pixels, " pixels, expected at most ",
                        std::numeric_limits<token_t>::max());
  return pixels;
}

inline void require_steps(patch_shape stride, const char* part) {
  require<config_error>(stride.depth > 0 && stride.height > 0 && stride.width > 0, part, ": stride ", stride.depth,
                        " x ", stride.height, " x ", stride.width, ", expected at least 1");
}

}  // namespace detail

/// The tables that the operation `convolution` reads: which pixels lie under the K taps of the kernel, and back.
struct convolution_taps {
  index_t taps_each = 1;          ///< K: tap (z·height + y)·width + x of the kernel
  std::vector<token_t> taps;      ///< [M, K]: for each pixel of the output the row under each tap, -1 outside its image
  std::vector<token_t> reverse;   ///< [N, K]: for each row the pixel of the output that has it under tap k, or -1
  std::vector<patch_grid> grids;  ///< the output's, `strided` from those of the input

  /// Fills the tables for images on these grids; memory is used again. A kernel is centred on the pixels at whole
  /// multiples of the stride (zero padding of half a kernel); an even one reaches one pixel further behind its centre
  /// than before it. Throws config_error for an empty kernel, a stride below 1, an empty grid, or more than 2^31 - 1
  /// pixels.
  void build(std::span<const patch_grid> from, patch_shape kernel, patch_shape stride = {}) {
    require<config_error>(kernel.depth > 0 && kernel.height > 0 && kernel.width > 0, "convolution_taps: kernel ",
                          kernel.depth, " x ", kernel.height, " x ", kernel.width, ", expected at least 1");
    detail::require_steps(stride, "convolution_taps");
    const index_t inputs = detail::count_pixels(from, "convolution_taps");
    taps_each = kernel.size();
    taps.clear();
    reverse.assign(static_cast<std::size_t>(inputs * taps_each), -1);
    grids.clear();
    index_t first = 0;
    for (const patch_grid& grid : from) {
      grids.push_back(strided(grid, stride));
      detail::each_pixel(grids.back(), [&](index_t z, index_t y, index_t x) {
        append_pixel(grid, first, kernel, z * stride.depth, y * stride.height, x * stride.width);
      });
      first += grid.patches();
    }
  }

 private:
  /// The taps of the next output pixel, whose centre lies at (z, y, x) of the grid that begins at row `first`.
  void append_pixel(patch_grid grid, index_t first, patch_shape kernel, index_t z, index_t y, index_t x) {
    const auto output = static_cast<token_t>(static_cast<index_t>(taps.size()) / taps_each);
    index_t tap = 0;
    detail::each_pixel({kernel.height, kernel.width, kernel.depth}, [&](index_t kz, index_t ky, index_t kx) {
      const index_t row = detail::pixel_row(grid, z + kz - (kernel.depth - 1) / 2, y + ky - (kernel.height - 1) / 2,
                                            x + kx - (kernel.width - 1) / 2);
      taps.push_back(row < 0 ? -1 : static_cast<token_t>(first + row));
      if (row >= 0) reverse[static_cast<std::size_t>((first + row) * taps_each + tap)] = output;
      ++tap;
    });
  }
};

/// For `gather_rows`, upsampling to the nearest pixel: for each pixel of `fine` the row of the pixel that covers it on
/// the grids strided(fine, factor), whatever is left over at odd edges. Throws config_error as convolution_taps.
inline void nearest_rows(std::span<const patch_grid> fine, patch_shape factor, std::vector<token_t>& rows) {
  detail::require_steps(factor, "nearest_rows");
  detail::count_pixels(fine, "nearest_rows");
  rows.clear();
  index_t first = 0;
  for (const patch_grid& grid : fine) {
    const patch_grid coarse = strided(grid, factor);
    detail::each_pixel(grid, [&](index_t z, index_t y, index_t x) {
      rows.push_back(static_cast<token_t>(
          first + detail::pixel_row(coarse, z / factor.depth, y / factor.height, x / factor.width)));
    });
    first += coarse.patches();
  }
}

/// The rows of each image, as group_norm reads them. Throws config_error as convolution_taps.
inline void image_rows(std::span<const patch_grid> grids, std::vector<key_interval>& ranges) {
  detail::count_pixels(grids, "image_rows");
  ranges.clear();
  index_t first = 0;
  for (const patch_grid& grid : grids) {
    ranges.push_back(key_interval::of(first, first + grid.patches()));
    first += grid.patches();
  }
}

}  // namespace transfusion
