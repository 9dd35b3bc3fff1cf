// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "transfusion/autograd/tape.hpp"
#include "transfusion/layer/convolution.hpp"
#include "transfusion/layer/convolution_taps.hpp"

namespace transfusion {

/// The pixels of all images of a pass at one resolution: N rows, image after image, each in raster order. What layers
/// read of them; on the device.
struct pixel_level {
  convolution_tables window;            ///< the neighbours under the kernel
  convolution_tables halved;            ///< the same for each pixel of the next coarser level; empty at the last one
  view<const token_t, 1> coarse_row;    ///< [N]; the row of the next coarser level that covers it; likewise
  view<const key_interval, 1> images;   ///< [I]; the rows of each image
  view<const token_t, 1> image_of_row;  ///< [N]
  key_intervals own_image;              ///< [N, 1]; the rows of each row's own image

  index_t rows() const { return image_of_row.size(); }
};

/// Which tables of neighbours a pyramid makes: those under the kernel at each pixel, those of the next coarser level,
/// or both.
enum class pyramid_tables { both, windows, halvings };

/// Puts together, pass by pass, the tables of images at several resolutions, each coarser than the one before by the
/// stride. Host memory is used again, so that a warm pass takes none.
class pixel_pyramid {
 public:
  pixel_pyramid(patch_shape kernel, patch_shape stride, index_t levels, pyramid_tables tables = pyramid_tables::both)
      : kernel_(kernel), stride_(stride), levels_(levels), tables_(tables) {}

  /// Finest level first; alive until the tape's reset. Throws config_error on more than 2^31 - 1 pixels.
  template <class Exec>
  std::span<const pixel_level> build(tape<Exec>& tape, std::span<const image_place> images) {
    grids_.clear();
    for (const image_place& i : images) grids_.push_back({i.shape.height, i.shape.width, i.shape.depth});
    auto levels = tape.template list<pixel_level>(levels_);
    for (index_t l = 0; l < levels_; ++l) {
      pixel_level level;
      upload_images(tape, level);
      if (tables_ != pyramid_tables::halvings) level.window = upload_taps(tape, {});
      if (l + 1 < levels_) {
        nearest_rows(grids_, stride_, rows_);
        level.coarse_row = tape.upload(rows_);
        if (tables_ != pyramid_tables::windows) level.halved = upload_taps(tape, stride_);
        for (patch_grid& g : grids_) g = strided(g, stride_);
      }
      levels.push_back(level);
    }
    return {levels.data(), static_cast<std::size_t>(levels.size())};
  }

 private:
  template <class Exec>
  void upload_images(tape<Exec>& tape, pixel_level& level) {
    image_rows(grids_, ranges_);
    rows_.clear();
    own_.clear();
    for (std::size_t i = 0; i < ranges_.size(); ++i) {
      const auto pixels = static_cast<std::size_t>(ranges_[i].end - ranges_[i].begin);
      rows_.insert(rows_.end(), pixels, static_cast<token_t>(i));
      own_.insert(own_.end(), pixels, ranges_[i]);
    }
    level.images = tape.upload(ranges_);
    level.image_of_row = tape.upload(rows_);
    level.own_image = {tape.upload(own_).data, level.rows(), 1};
  }

  template <class Exec>
  convolution_tables upload_taps(tape<Exec>& tape, patch_shape stride) {
    taps_.build(grids_, kernel_, stride);
    const auto upload = [&](const std::vector<token_t>& table) {
      const view<const token_t, 1> device = tape.upload(table);
      return view<const token_t, 2>(device.data, device.size() / taps_.taps_each, taps_.taps_each);
    };
    convolution_tables tables;
    tables.taps = upload(taps_.taps);
    if (tape.records()) tables.reverse = upload(taps_.reverse);
    return tables;
  }

  patch_shape kernel_, stride_;
  index_t levels_;
  pyramid_tables tables_;
  std::vector<patch_grid> grids_;  ///< of the level in work
  convolution_taps taps_;
  std::vector<token_t> rows_;
  std::vector<key_interval> ranges_, own_;
};

}  // namespace transfusion
