// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/font.hpp"
#include "transfusion/core/image.hpp"

namespace support {
using transfusion::image_shape;

struct color {
  std::uint8_t red = 0;
  std::uint8_t green = 0;
  std::uint8_t blue = 0;
  friend constexpr bool operator==(const color&, const color&) = default;
};

namespace colors {
inline constexpr color white{255, 255, 255}, black{0, 0, 0}, ink{32, 33, 36}, grey{128, 132, 138}, light{222, 225, 229};
inline constexpr color good{20, 125, 60}, bad{195, 40, 40};
}  // namespace colors

/// The range of an image's values: [−1, 1] or [0, 1]. Values outside are clamped.
enum class value_range { signed_unit, unit };

struct text_style {
  double size = 14.0;  ///< pixels of the em
  color ink = colors::ink;
  bool bold = false;
};

/// An 8-bit RGB canvas. Whatever is drawn outside of it is cut off.
class picture {
 public:
  /// Throws config_error unless both sides are 1 to 32,768 pixels.
  picture(index_t width, index_t height, color background = colors::white);

  index_t width() const { return width_; }
  index_t height() const { return height_; }
  color pixel(index_t x, index_t y) const;
  void set(index_t x, index_t y, color c);

  void fill(color c);
  /// A filled rectangle whose top left pixel is (x, y).
  void rectangle(index_t x, index_t y, index_t width, index_t height, color c);
  /// The outline of that rectangle, one pixel wide, inside it.
  void frame(index_t x, index_t y, index_t width, index_t height, color c);
  /// An anti-aliased line of round ends; pixel centres lie at halves.
  void line(point from, point to, color c, double thickness = 1.0);
  /// Anti-aliased lines through many points.
  void polyline(std::span<const point> points, color c, double thickness = 1.0);

  /// One line of text with its top left corner at (x, y).
  void text(index_t x, index_t y, std::string_view utf8, const text_style& style = {});

  /// Draws a [C, H, W] image with each value as a square of `magnify` pixels. Throws shape_error unless C is 1 or 3 and
  /// the size fits, numeric_error at a value that is not finite.
  void blit(std::span<const float> values, const image_shape& shape, index_t x, index_t y, index_t magnify = 1,
            value_range range = value_range::signed_unit);
  /// The same for bytes, [C, H, W].
  void blit(std::span<const std::uint8_t> pixels, const image_shape& shape, index_t x, index_t y, index_t magnify = 1);
  void blit(const picture& other, index_t x, index_t y);

  /// Writes a PNG. Throws io_error naming the file.
  void save(const std::filesystem::path& file) const;

 private:
  void draw(const pen_strokes& strokes, point offset, color c);
  void blend(index_t x, index_t y, color c, double opacity);
  std::size_t offset(index_t x, index_t y) const { return static_cast<std::size_t>(3 * (y * width_ + x)); }

  index_t width_;
  index_t height_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace support
