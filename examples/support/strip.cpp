// SPDX-License-Identifier: Apache-2.0
#include "support/strip.hpp"

#include "support/image_file.hpp"
#include "support/picture.hpp"
#include "transfusion/core/error.hpp"

namespace support {
namespace tf = transfusion;
using tf::index_t;

void save_strip(const std::filesystem::path& file, const std::vector<tf::image>& pictures) {
  tf::require<tf::config_error>(!pictures.empty(), file.string(), ": found no pictures, expected some");
  const tf::image_shape shape = pictures.front().shape;
  picture canvas(shape.width * std::ssize(pictures), shape.height);
  index_t x = 0;
  for (const tf::image& p : pictures) {
    canvas.blit(p.values, p.shape, x, 0);
    x += shape.width;
  }
  canvas.save(file);
}

std::vector<tf::image> read_strip(const std::filesystem::path& file, tf::image_shape shape) {
  const auto strip = convert_channels(decode_image(file), shape.channels);
  const index_t count = strip.shape.width / shape.width, whole = strip.shape.width;
  tf::require<tf::format_error>(strip.shape.height == shape.height && count * shape.width == whole && count > 0,
                                file.string(), ": found ", strip.shape.height, " x ", whole, ", expected pictures of ",
                                shape.height, " x ", shape.width);
  const std::vector<float> values = strip.values();
  std::vector<tf::image> pictures;
  for (index_t n = 0; n < count; ++n) {
    tf::image p{shape, {}};
    for (index_t row = 0; row < shape.channels * shape.height; ++row) {
      const auto begin = values.begin() + row * whole + n * shape.width;
      p.values.insert(p.values.end(), begin, begin + shape.width);
    }
    pictures.push_back(std::move(p));
  }
  return pictures;
}

}  // namespace support
