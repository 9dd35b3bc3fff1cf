// SPDX-License-Identifier: Apache-2.0
#include "scenes/support/scene.hpp"

#include <algorithm>
#include <cmath>

namespace scenes {

namespace {

constexpr std::string_view shape_names[] = {"circle", "square", "triangle", "star", "cross", "ring"};
constexpr std::string_view colour_names[] = {"red", "orange", "yellow", "green", "cyan", "blue", "purple", "black"};

constexpr rgb bytes(int red, int green, int blue) { return {red / 127.5 - 1, green / 127.5 - 1, blue / 127.5 - 1}; }

// As seen from a light ground, no two lie in nearly one direction: then even a half covered pixel tells its colour.
constexpr rgb paints[] = {bytes(222, 40, 44),  bytes(250, 128, 12), bytes(250, 214, 20), bytes(40, 160, 60),
                          bytes(40, 200, 225), bytes(36, 80, 220),  bytes(140, 44, 170), bytes(24, 24, 28)};

}  // namespace

std::string_view name(shape s) { return shape_names[static_cast<std::size_t>(s)]; }
std::string_view name(colour c) { return colour_names[static_cast<std::size_t>(c)]; }
const rgb& paint(colour c) { return paints[static_cast<std::size_t>(c)]; }

double distance(const rgb& a, const rgb& b) { return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]); }

bool is_close(const scene& a, const scene& b) {
  constexpr double most = 1.0 / 50;
  const auto alike = [](const object& o, const object& p) {
    return o.kind == p.kind && o.tint == p.tint && std::hypot(o.x - p.x, o.y - p.y) <= most &&
           std::abs(o.radius - p.radius) <= most;
  };
  return std::ranges::is_permutation(a.objects, b.objects, alike);
}

}  // namespace scenes
