// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "transfusion/core/error.hpp"
#include "transfusion/sequence/document.hpp"

namespace transfusion {

/// The peak signal-to-noise ratio of images with values in [-1, 1] in dB, 10 log10(2² / mean (found - wanted)²), the
/// mean over the values of all images, `found` clamped to the range first. Infinite where they are equal. Throws
/// config_error on no value, shape_error where a number of images or a shape differs, numeric_error on a value that is
/// not a number.
inline double psnr(std::span<const image> found, std::span<const image> wanted) {
  require_extent("psnr: images", static_cast<index_t>(found.size()), static_cast<index_t>(wanted.size()));
  double squares = 0, count = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const image &a = found[i], &b = wanted[i];
    require<shape_error>(a.shape == b.shape, "psnr: image ", i, ": found ", a.shape.channels, " x ", a.shape.depth,
                         " x ", a.shape.height, " x ", a.shape.width, ", expected ", b.shape.channels, " x ",
                         b.shape.depth, " x ", b.shape.height, " x ", b.shape.width);
    for (const image* one : {&a, &b})
      require_extent("psnr: image values", static_cast<index_t>(one->values.size()), one->shape.size());
    for (std::size_t v = 0; v < b.values.size(); ++v) {
      const double apart = double{std::clamp(a.values[v], -1.0f, 1.0f)} - double{b.values[v]};
      squares += apart * apart;
    }
    count += static_cast<double>(b.values.size());
  }
  require<config_error>(count > 0, "psnr: found no value, expected one image at least");
  require<numeric_error>(std::isfinite(squares), "psnr: found values that are not finite");
  return 10 * std::log10(4 * count / squares);
}

/// The same of one image: papers give the mean of these over images, or one number of all values.
inline double psnr(const image& found, const image& wanted) {
  return psnr(std::span(&found, 1), std::span(&wanted, 1));
}

}  // namespace transfusion
