// SPDX-License-Identifier: Apache-2.0
#include "support/picture.hpp"

#include <algorithm>
#include <cmath>

#include "support/file.hpp"
#include "transfusion/core/error.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb_image_write.h>
#pragma GCC diagnostic pop

namespace support {
using transfusion::config_error;
using transfusion::io_error;
using transfusion::numeric_error;
using transfusion::require;
using transfusion::require_extent;
using transfusion::shape_error;

namespace {

double distance_to_segment(point p, point a, point b) {
  const double dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
  const double t = length2 > 0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length2, 0.0, 1.0) : 0.0;
  return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

/// How much of each pixel of a window is covered by the pen. Overlaps count once, so crossings do not darken.
class coverage {
 public:
  coverage(index_t left, index_t top, index_t right, index_t bottom)
      : left_(left),
        top_(top),
        right_(right),
        bottom_(bottom),
        values_(static_cast<std::size_t>(std::max<index_t>(0, right - left) * std::max<index_t>(0, bottom - top))) {}

  void segment(point a, point b, double thickness) {
    const double reach = thickness / 2 + 1.0;
    const index_t x0 = std::max(left_, whole(std::min(a.x, b.x) - reach)),
                  x1 = std::min(right_, whole(std::max(a.x, b.x) + reach) + 1);
    const index_t y0 = std::max(top_, whole(std::min(a.y, b.y) - reach)),
                  y1 = std::min(bottom_, whole(std::max(a.y, b.y) + reach) + 1);
    for (index_t y = y0; y < y1; ++y)
      for (index_t x = x0; x < x1; ++x) {
        const point centre{static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5};
        const double covered = std::clamp(0.5 + thickness / 2 - distance_to_segment(centre, a, b), 0.0, 1.0);
        float& value = values_[at(x, y)];
        value = std::max(value, static_cast<float>(covered));
      }
  }

  template <class Visit>
  void for_each(Visit visit) const {
    for (index_t y = top_; y < bottom_; ++y)
      for (index_t x = left_; x < right_; ++x)
        if (const float value = values_[at(x, y)]; value > 0) visit(x, y, static_cast<double>(value));
  }

  static index_t whole(double v) { return static_cast<index_t>(std::floor(std::clamp(v, -1e6, 1e6))); }

 private:
  std::size_t at(index_t x, index_t y) const {
    return static_cast<std::size_t>((y - top_) * (right_ - left_) + x - left_);
  }
  index_t left_, top_, right_, bottom_;
  std::vector<float> values_;
};

void check_image(const image_shape& shape, std::size_t values, index_t magnify) {
  require<shape_error>(shape.channels == 1 || shape.channels == 3, "picture: channels: found ", shape.channels,
                       ", expected 1 or 3");
  require<shape_error>(shape.height > 0 && shape.width > 0, "picture: image of ", shape.height, "×", shape.width,
                       ", expected at least 1×1");
  require_extent("picture: values of an image", static_cast<index_t>(values), shape.size());
  require<config_error>(magnify >= 1, "picture: magnification: found ", magnify, ", expected at least 1");
}

}  // namespace

picture::picture(index_t width, index_t height, color background) : width_(width), height_(height) {
  constexpr index_t limit = 32768;
  require<config_error>(width >= 1 && height >= 1 && width <= limit && height <= limit, "picture: size: found ", width,
                        "×", height, ", expected sides of 1 to ", limit);
  bytes_.resize(static_cast<std::size_t>(3 * width * height));
  fill(background);
}

color picture::pixel(index_t x, index_t y) const {
  require<config_error>(x >= 0 && y >= 0 && x < width_ && y < height_, "picture: pixel (", x, ", ", y,
                        "): expected one inside ", width_, "×", height_);
  const std::size_t i = offset(x, y);
  return {bytes_[i], bytes_[i + 1], bytes_[i + 2]};
}

void picture::set(index_t x, index_t y, color c) {
  if (x < 0 || y < 0 || x >= width_ || y >= height_) return;
  const std::size_t i = offset(x, y);
  bytes_[i] = c.red;
  bytes_[i + 1] = c.green;
  bytes_[i + 2] = c.blue;
}

void picture::blend(index_t x, index_t y, color c, double opacity) {
  const color under = pixel(x, y);
  const auto mix = [opacity](std::uint8_t from, std::uint8_t to) {
    return static_cast<std::uint8_t>(std::lround(from + (to - from) * opacity));
  };
  set(x, y, {mix(under.red, c.red), mix(under.green, c.green), mix(under.blue, c.blue)});
}

void picture::fill(color c) { rectangle(0, 0, width_, height_, c); }

void picture::rectangle(index_t x, index_t y, index_t width, index_t height, color c) {
  for (index_t j = std::max<index_t>(0, y); j < std::min(height_, y + height); ++j)
    for (index_t i = std::max<index_t>(0, x); i < std::min(width_, x + width); ++i) set(i, j, c);
}

void picture::frame(index_t x, index_t y, index_t width, index_t height, color c) {
  rectangle(x, y, width, 1, c);
  rectangle(x, y + height - 1, width, 1, c);
  rectangle(x, y, 1, height, c);
  rectangle(x + width - 1, y, 1, height, c);
}

void picture::line(point from, point to, color c, double thickness) {
  const point ends[] = {from, to};
  polyline(ends, c, thickness);
}

void picture::polyline(std::span<const point> points, color c, double thickness) {
  draw({{std::vector<point>(points.begin(), points.end())}, thickness}, {0, 0}, c);
}

void picture::text(index_t x, index_t y, std::string_view utf8, const text_style& style) {
  draw(text_strokes(utf8, style.size, style.bold), {static_cast<double>(x), static_cast<double>(y)}, style.ink);
}

void picture::draw(const pen_strokes& strokes, point offset, color c) {
  point low{1e6, 1e6}, high{-1e6, -1e6};
  for (const auto& line : strokes.lines)
    for (const point& p : line) {
      low = {std::min(low.x, p.x + offset.x), std::min(low.y, p.y + offset.y)};
      high = {std::max(high.x, p.x + offset.x), std::max(high.y, p.y + offset.y)};
    }
  const double reach = strokes.thickness / 2 + 1.0;
  coverage mask(
      std::max<index_t>(0, coverage::whole(low.x - reach)), std::max<index_t>(0, coverage::whole(low.y - reach)),
      std::min(width_, coverage::whole(high.x + reach) + 1), std::min(height_, coverage::whole(high.y + reach) + 1));
  for (const auto& line : strokes.lines)
    for (std::size_t i = 1; i < line.size(); ++i)
      mask.segment({line[i - 1].x + offset.x, line[i - 1].y + offset.y}, {line[i].x + offset.x, line[i].y + offset.y},
                   strokes.thickness);
  mask.for_each([&](index_t x, index_t y, double covered) { blend(x, y, c, covered); });
}

void picture::blit(std::span<const float> values, const image_shape& shape, index_t x, index_t y, index_t magnify,
                   value_range range) {
  std::vector<std::uint8_t> pixels(values.size());
  const float scale = range == value_range::unit ? 255.0f : 127.5f, shift = range == value_range::unit ? 0.0f : 1.0f;
  for (std::size_t i = 0; i < values.size(); ++i) {
    require<numeric_error>(std::isfinite(values[i]), "picture: value ", i, " of an image: found ", values[i],
                           ", expected a finite number");
    pixels[i] = static_cast<std::uint8_t>(std::lround(std::clamp((values[i] + shift) * scale, 0.0f, 255.0f)));
  }
  blit(pixels, shape, x, y, magnify);
}

void picture::blit(std::span<const std::uint8_t> pixels, const image_shape& shape, index_t x, index_t y,
                   index_t magnify) {
  check_image(shape, pixels.size(), magnify);
  const index_t plane = shape.channels == 3 ? shape.height * shape.width : 0;
  for (index_t j = 0; j < shape.height; ++j)
    for (index_t i = 0; i < shape.width; ++i) {
      const auto channel = [&](index_t c) { return pixels[static_cast<std::size_t>(c * plane + j * shape.width + i)]; };
      rectangle(x + i * magnify, y + j * magnify, magnify, magnify, {channel(0), channel(1), channel(2)});
    }
}

void picture::blit(const picture& other, index_t x, index_t y) {
  for (index_t j = 0; j < other.height_; ++j)
    for (index_t i = 0; i < other.width_; ++i) set(x + i, y + j, other.pixel(i, j));
}

void picture::save(const std::filesystem::path& file) const {
  std::string png;
  const auto append = [](void* context, void* data, int size) {
    static_cast<std::string*>(context)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
  };
  const int ok = stbi_write_png_to_func(append, &png, static_cast<int>(width_), static_cast<int>(height_), 3,
                                        bytes_.data(), static_cast<int>(3 * width_));
  require<io_error>(ok != 0, file.string(), ": cannot encode a PNG of ", width_, "×", height_);
  write_file(file, png);
}

}  // namespace support
