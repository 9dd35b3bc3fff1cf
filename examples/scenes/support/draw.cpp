// SPDX-License-Identifier: Apache-2.0
#include "scenes/support/draw.hpp"

#include <algorithm>
#include <cmath>

#include "scenes/support/outline.hpp"
#include "transfusion/core/error.hpp"

namespace scenes {

namespace {

constexpr int places = 8;  // of a pixel's side

/// An object in pixels.
struct pixel_object {
  shape kind;
  double x, y, radius;

  /// The share of pixel (column, row) that it covers.
  double coverage(index_t column, index_t row) const {
    const double left = static_cast<double>(column) - x, top = static_cast<double>(row) - y;
    const double middle = outline_distance(kind, (left + 0.5) / radius, (top + 0.5) / radius) * radius;
    if (std::abs(middle) > 0.71) return middle < 0 ? 1.0 : 0.0;  // farther than a corner of the pixel
    int inside = 0;
    for (int i = 0; i < places * places; ++i) {
      const double dx = (i % places + 0.5) / places, dy = (i / places + 0.5) / places;
      inside += outline_distance(kind, (left + dx) / radius, (top + dy) / radius) < 0;
    }
    return static_cast<double>(inside) / (places * places);
  }
};

void require_inside(const object& o) {
  const bool inside = o.radius > 0 && std::min(o.x, o.y) >= o.radius && std::max(o.x, o.y) + o.radius <= 1;
  tf::require<tf::config_error>(inside, "scene: ", name(o.kind), " of radius ", o.radius, ": found at (", o.x, ", ",
                                o.y, "), expected wholly inside (0, 0) to (1, 1)");
}

void put(tf::image& picture, const object& o, index_t side) {
  const double scale = static_cast<double>(side);
  const pixel_object p{o.kind, o.x * scale, o.y * scale, o.radius * scale};
  const auto first = [&](double middle) { return static_cast<index_t>(std::floor(middle - p.radius)); };
  const auto last = [&](double middle) { return std::min(side, static_cast<index_t>(std::ceil(middle + p.radius))); };
  for (index_t row = first(p.y); row < last(p.y); ++row)
    for (index_t column = first(p.x); column < last(p.x); ++column) {
      const double covered = p.coverage(column, row);
      for (index_t c = 0; c < 3; ++c) {
        float& value = picture.values[static_cast<std::size_t>((c * side + row) * side + column)];
        value += static_cast<float>(covered * (paint(o.tint)[static_cast<std::size_t>(c)] - value));
      }
    }
}

}  // namespace

tf::image draw(const scene& s, index_t side) {
  tf::require<tf::config_error>(side >= 16 && side <= 4096, "scene: side: found ", side, ", expected 16 to 4096");
  for (const object& o : s.objects) require_inside(o);
  tf::image picture{{3, side, side}, {}};
  for (const double value : s.ground)
    picture.values.insert(picture.values.end(), static_cast<std::size_t>(side * side), static_cast<float>(value));
  for (const object& o : s.objects) put(picture, o, side);
  return picture;
}

}  // namespace scenes
