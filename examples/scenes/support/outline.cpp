// SPDX-License-Identifier: Apache-2.0
#include "scenes/support/outline.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace scenes {

namespace {

struct corner {
  double x = 0;
  double y = 0;
};
using polygon = std::vector<corner>;

polygon make_star() {
  polygon p;
  for (int i = 0; i < 10; ++i) {
    const double angle = std::numbers::pi * (i / 5.0 - 0.5), reach = i % 2 == 0 ? 1.05 : 0.46;
    p.push_back({reach * std::cos(angle), 0.09 + reach * std::sin(angle)});
  }
  return p;
}

polygon make_cross() {
  constexpr double in = 0.32, out = 0.95;
  return {{-in, -out}, {in, -out}, {in, -in}, {out, -in}, {out, in},   {in, in},
          {in, out},   {-in, out}, {-in, in}, {-out, in}, {-out, -in}, {-in, -in}};
}

const polygon square = {{-0.84, -0.84}, {0.84, -0.84}, {0.84, 0.84}, {-0.84, 0.84}};
const polygon triangle = {{0, -0.95}, {1, 0.85}, {-1, 0.85}};
const polygon star = make_star();
const polygon cross = make_cross();

/// Negative where a ray to the right meets an odd number of sides.
double distance_to(const polygon& p, double x, double y) {
  double nearest = 1e9;
  bool inside = false;
  for (std::size_t i = 0, last = p.size() - 1; i < p.size(); last = i++) {
    const corner a = p[i], b = p[last];
    const double dx = b.x - a.x, dy = b.y - a.y;
    const double along = std::clamp(((x - a.x) * dx + (y - a.y) * dy) / (dx * dx + dy * dy), 0.0, 1.0);
    const double away_x = x - a.x - along * dx, away_y = y - a.y - along * dy;
    nearest = std::min(nearest, away_x * away_x + away_y * away_y);
    if ((a.y > y) != (b.y > y) && x < a.x + (y - a.y) * dx / dy) inside = !inside;
  }
  return inside ? -std::sqrt(nearest) : std::sqrt(nearest);
}

}  // namespace

double outline_distance(shape s, double x, double y) {
  switch (s) {
    case shape::circle:
      return std::sqrt(x * x + y * y) - 0.95;
    case shape::ring:
      return std::abs(std::sqrt(x * x + y * y) - 0.72) - 0.25;
    case shape::square:
      return distance_to(square, x, y);
    case shape::triangle:
      return distance_to(triangle, x, y);
    case shape::star:
      return distance_to(star, x, y);
    default:
      return distance_to(cross, x, y);
  }
}

}  // namespace scenes
