// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "transfusion/core/types.hpp"

/// Pictures of coloured shapes with captions: data without end, whose every picture and caption can be judged exactly.
namespace scenes {

namespace tf = transfusion;
using tf::index_t;

enum class shape { circle, square, triangle, star, cross, ring };
inline constexpr index_t shape_count = 6;

enum class colour { red, orange, yellow, green, cyan, blue, purple, black };
inline constexpr index_t colour_count = 8;

constexpr shape shape_at(index_t i) { return static_cast<shape>(i); }
constexpr colour colour_at(index_t i) { return static_cast<colour>(i); }

/// "circle".
std::string_view name(shape s);
/// "red".
std::string_view name(colour c);

/// Red, green and blue in [−1, 1].
using rgb = std::array<double, 3>;

/// What a colour looks like.
const rgb& paint(colour c);

/// The straight line between two colours.
double distance(const rgb& a, const rgb& b);

/// A shape at its place. Lengths are in sides of the picture: x to the right, y down, (0, 0) the top left corner.
struct object {
  shape kind = shape::circle;
  colour tint = colour::red;
  double x = 0.5;  ///< the middle of the square that holds it
  double y = 0.5;
  double radius = 0.2;  ///< half the side of that square
  friend bool operator==(const object&, const object&) = default;
};

/// Objects on a plain light ground.
struct scene {
  std::vector<object> objects;
  rgb ground = {1, 1, 1};
  friend bool operator==(const scene&, const scene&) = default;
};

/// Whether the objects of two scenes are the same, in any order, but for 1/50 of the side in each length.
bool is_close(const scene& a, const scene& b);

}  // namespace scenes
