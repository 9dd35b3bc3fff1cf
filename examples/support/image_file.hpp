// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "support/pixel.hpp"
#include "transfusion/core/image.hpp"

namespace support {
using transfusion::image_shape;
using transfusion::index_t;

/// An image of 8-bit values, planar [C, H, W].
struct byte_image {
  image_shape shape;
  std::vector<std::uint8_t> pixels;

  /// The values in [−1, 1], planar [C, H, W].
  std::vector<float> values() const;
};

/// What becomes of an image file whose channels are not those asked for: an error, or a conversion (grey is repeated,
/// RGB weighed by Rec. 601, transparency laid on white).
enum class channel_rule { exact, convert };

/// Decodes a PNG or JPEG as it is: 1 (grey), 2 (grey + alpha), 3 (RGB) or 4 (RGBA) channels; 16-bit samples become
/// 8-bit, EXIF orientation is not applied. Checks every PNG checksum and that a JPEG is complete, which the decoder
/// does not. Throws io_error or format_error naming the file.
byte_image decode_image(const std::filesystem::path& file);

/// Changes the channel count as channel_rule::convert says. `channels` is 1 or 3.
byte_image convert_channels(const byte_image& image, index_t channels);

/// The largest part of the wanted proportions from the middle. height and width say the proportions.
byte_image centre_crop(const byte_image& image, index_t height, index_t width);

/// Resizes with a triangle filter as wide as the step between new pixels, so that shrinking averages areas.
byte_image resize(const byte_image& image, index_t height, index_t width);

/// Decodes, takes the centre and resizes to `wanted` [C, H, W], C 1 or 3. Throws io_error or format_error naming the
/// file, config_error for a `wanted` that cannot be.
byte_image load_image(const std::filesystem::path& file, const image_shape& wanted,
                      channel_rule rule = channel_rule::exact);

}  // namespace support
