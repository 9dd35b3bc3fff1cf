// SPDX-License-Identifier: Apache-2.0
#include "support/font.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <sstream>

namespace support {

namespace {

/// One character: the width between its outermost pen lines, the room to its left and right, and its drawing.
/// Units: em 20, capitals 14, small letters 10, baseline 0, y up. The drawing's commands:
///   M x y  lift the pen and go        L x y       straight line          Q a b x y  curve bent towards (a, b)
///   H x y  quarter turn that starts horizontally                         V x y  quarter turn that starts vertically
///   E x y a b  ellipse round (x, y)   D x y       dot
struct glyph {
  std::uint32_t code;
  double width, left, right;
  const char* drawing;
};

constexpr glyph face[] = {
    {' ', 0, 3.2, 3.2, ""},
    {'!', 0, 3, 3, "M 0 14 L 0 4.2 D 0 0.2"},
    {'"', 3, 2.4, 2.4, "M 0 14.5 L 0 10.8 M 3 14.5 L 3 10.8"},
    {'#', 10, 1.8, 1.8, "M 4 14 L 2 0 M 8.4 14 L 6.4 0 M 0.2 4.6 L 9.4 4.6 M 0.8 9.4 L 10 9.4"},
    {'$', 8, 2, 2, "M 7.5 11.6 Q 6.4 13 4 13 H 0.4 10 Q 0.4 8 4 7.2 Q 8 6.4 8 3.8 V 4 1 Q 1.2 1 0 2.8 M 4 15 L 4 -1"},
    {'%', 13, 2, 2, "E 2.7 10.9 2.7 3.1 E 10.3 3.1 2.7 3.1 M 10.6 14 L 2.4 0"},
    {'&', 9.6, 2, 1.2,
     "M 9.6 0 L 2 9 Q 1 10.3 1 11.4 V 3.7 14 H 6.4 11.5 Q 6.4 9.4 3.6 7.9 Q 0 6 0 3.4 V 3.9 0 Q 7.6 0 8.8 6"},
    {'\'', 0, 2.4, 2.4, "M 0 14.5 L 0 10.8"},
    {'(', 2.8, 2.2, 1.6, "M 2.8 16 Q 0 11.6 0 6 Q 0 0.4 2.8 -4"},
    {')', 2.8, 1.6, 2.2, "M 0 16 Q 2.8 11.6 2.8 6 Q 2.8 0.4 0 -4"},
    {'*', 6, 1.8, 1.8, "M 3 14 L 3 7.6 M 0.2 12.4 L 5.8 9.2 M 5.8 12.4 L 0.2 9.2"},
    {'+', 8.4, 2.4, 2.4, "M 0 5.8 L 8.4 5.8 M 4.2 10 L 4.2 1.6"},
    {',', 1, 2, 2.2, "M 0.9 0.9 L 0 -2.6"},
    {'-', 4.6, 1.8, 1.8, "M 0 5.4 L 4.6 5.4"},
    {'.', 0, 2.4, 2.4, "D 0 0.2"},
    {'/', 5.6, 1, 1, "M 0 -2 L 5.6 15"},
    {'0', 7.6, 2, 2, "E 3.8 7 3.8 7"},
    {'1', 7.6, 2, 2, "M 0.8 11.4 L 4 14 L 4 0 M 0.8 0 L 7.2 0"},
    {'2', 7.6, 2, 2, "M 0.2 11.2 Q 1 14 3.8 14 H 7.3 10.4 Q 7.3 8.4 5.4 6.2 L 0.2 0 L 7.6 0"},
    {'3', 7.6, 2, 2, "M 0.4 12 Q 1.4 14 3.7 14 H 7.1 10.7 V 3.6 7.5 L 2.6 7.5 M 3.6 7.5 H 7.6 3.8 V 3.6 0 Q 1 0 0 2"},
    {'4', 7.6, 2, 2, "M 5.8 0 L 5.8 14 L 0 4 L 7.8 4"},
    {'5', 7.6, 2, 2, "M 7 14 L 1.1 14 L 0.7 7.4 Q 2 8.9 3.8 8.9 H 7.6 4.4 V 3.6 0 Q 1.1 0 0 1.9"},
    {'6', 7.6, 2, 2, "E 3.8 4.4 3.8 4.4 M 0 4.4 Q 0 11.5 5.2 14"},
    {'7', 7.6, 2, 2, "M 0 14 L 7.6 14 L 2.6 0"},
    {'8', 7.6, 2, 2, "E 3.8 10.7 3.3 3.3 E 3.8 3.7 3.8 3.7"},
    {'9', 7.6, 2, 2, "E 3.8 9.6 3.8 4.4 M 7.6 9.6 Q 7.6 2.5 2.4 0"},
    {':', 0, 2.4, 2.4, "D 0 0.2 D 0 7.6"},
    {';', 1, 2, 2.2, "M 0.9 0.9 L 0 -2.6 D 0.8 7.6"},
    {'<', 7.6, 2.6, 2.6, "M 7.6 10 L 0 5.8 L 7.6 1.6"},
    {'=', 8.4, 2.4, 2.4, "M 0 8 L 8.4 8 M 0 3.8 L 8.4 3.8"},
    {'>', 7.6, 2.6, 2.6, "M 0 10 L 7.6 5.8 L 0 1.6"},
    {'?', 6.2, 1.8, 1.8, "M 0 11.8 Q 0.8 14 3.2 14 H 6.2 11 Q 6.2 9 4.4 7.6 Q 3 6.5 3 4.4 D 3 0.2"},
    {'@', 12.8, 2, 2,
     "E 6.2 5.6 2.8 3.2 M 9 9 L 9 4.6 Q 9 2.4 10.7 2.4 Q 12.8 2.4 12.8 6.2 Q 12.8 13 6.4 13 H 0 5.4 V 6.6 -2.8 "
     "Q 8.6 -2.8 10.4 -1.6"},
    {'A', 10, 1, 1, "M 0 0 L 5 14 L 10 0 M 1.7 4.6 L 8.3 4.6"},
    {'B', 8, 2.6, 1.9, "M 0 0 L 0 14 L 4.2 14 H 7.4 10.7 V 4.2 7.4 L 0 7.4 M 4.2 7.4 H 8 3.7 V 4.2 0 L 0 0"},
    {'C', 9, 2.1, 1.5, "M 9 11.8 Q 7.7 14 5 14 H 0 7 V 5 0 Q 7.7 0 9 2.2"},
    {'D', 9, 2.6, 2.1, "M 0 0 L 0 14 L 3.8 14 H 9 7 V 3.8 0 L 0 0"},
    {'E', 7.2, 2.6, 1.8, "M 7.2 14 L 0 14 L 0 0 L 7.2 0 M 0 7.4 L 6.4 7.4"},
    {'F', 6.8, 2.6, 1.4, "M 6.8 14 L 0 14 L 0 0 M 0 7.2 L 6 7.2"},
    {'G', 9.4, 2.1, 2.1, "M 9 11.8 Q 7.7 14 5 14 H 0 7 V 5 0 Q 8 0 9.4 1.8 L 9.4 6.4 L 5.6 6.4"},
    {'H', 9, 2.6, 2.6, "M 0 0 L 0 14 M 9 0 L 9 14 M 0 7.2 L 9 7.2"},
    {'I', 0, 2.8, 2.8, "M 0 0 L 0 14"},
    {'J', 5, 1.4, 2.6, "M 5 14 L 5 3.6 V 2.2 0 Q 0.6 0 0 1"},
    {'K', 8.4, 2.6, 1, "M 0 0 L 0 14 M 8 14 L 0 5.8 M 2.8 8.6 L 8.4 0"},
    {'L', 6.6, 2.6, 1.2, "M 0 14 L 0 0 L 6.6 0"},
    {'M', 10.6, 2.6, 2.6, "M 0 0 L 0 14 L 5.3 5 L 10.6 14 L 10.6 0"},
    {'N', 9, 2.6, 2.6, "M 0 0 L 0 14 L 9 0 L 9 14"},
    {'O', 10.2, 2.1, 2.1, "E 5.1 7 5.1 7"},
    {'P', 7.8, 2.6, 1.5, "M 0 0 L 0 14 L 4 14 H 7.8 10.2 V 4 6.4 L 0 6.4"},
    {'Q', 10.2, 2.1, 2.1, "E 5.1 7 5.1 7 M 6.2 2.8 L 9.8 -1.6"},
    {'R', 8.2, 2.6, 1.2, "M 0 0 L 0 14 L 4.2 14 H 7.8 10.4 V 4.2 6.8 L 0 6.8 M 4.6 6.8 L 8.2 0"},
    {'S', 8, 2, 1.9, "M 7.5 12.2 Q 6.3 14 4 14 H 0.4 10.5 Q 0.4 8 4 7.2 Q 8 6.4 8 3.6 V 4 0 Q 1.2 0 0 2.1"},
    {'T', 9, 1, 1, "M 0 14 L 9 14 M 4.5 14 L 4.5 0"},
    {'U', 8.8, 2.5, 2.5, "M 0 14 L 0 5 V 4.4 0 H 8.8 5 L 8.8 14"},
    {'V', 9.8, 1, 1, "M 0 14 L 4.9 0 L 9.8 14"},
    {'W', 14.4, 1.2, 1.2, "M 0 14 L 3.6 0 L 7.2 14 L 10.8 0 L 14.4 14"},
    {'X', 9, 1.2, 1.2, "M 0 0 L 9 14 M 0 14 L 9 0"},
    {'Y', 9, 1, 1, "M 0 14 L 4.5 6.6 L 9 14 M 4.5 6.6 L 4.5 0"},
    {'Z', 8.4, 1.6, 1.6, "M 0 14 L 8.4 14 L 0 0 L 8.4 0"},
    {'[', 2.4, 2.6, 1.4, "M 2.4 16 L 0 16 L 0 -4 L 2.4 -4"},
    {'\\', 5.6, 1, 1, "M 0 15 L 5.6 -2"},
    {']', 2.4, 1.4, 2.6, "M 0 16 L 2.4 16 L 2.4 -4 L 0 -4"},
    {'^', 7.2, 2, 2, "M 0 9 L 3.6 14 L 7.2 9"},
    {'_', 8, 1, 1, "M 0 -2.4 L 8 -2.4"},
    {'`', 2, 2.4, 2.4, "M 0 15 L 2 12.4"},
    {'a', 7, 2, 2.5, "M 0.7 8.7 Q 1.7 10 3.7 10 H 7 6.6 L 7 0 M 7 5.8 L 3.3 5.8 H 0 2.9 V 3.2 0 Q 5.7 0 7 2.6"},
    {'b', 7.6, 2.5, 2, "M 0 15 L 0 0 E 3.8 5 3.8 5"},
    {'c', 6.8, 2, 1.4, "M 6.7 8.3 Q 5.8 10 3.8 10 H 0 5 V 3.8 0 Q 5.8 0 6.7 1.7"},
    {'d', 7.6, 2, 2.5, "M 7.6 15 L 7.6 0 E 3.8 5 3.8 5"},
    {'e', 7.4, 2, 1.8, "M 0.1 5.2 L 7.4 5.2 V 3.8 10 H 0 5 V 3.9 0 Q 5.9 0 7 1.6"},
    {'f', 4.4, 1.2, 0.9, "M 4.8 15 L 4.4 15 H 1.9 12.2 L 1.9 0 M 0 10 L 4.4 10"},
    {'g', 7.6, 2, 2.5, "M 7.6 10 L 7.6 -0.8 V 3.9 -4.6 Q 1.8 -4.6 0.8 -3.4 E 3.8 5 3.8 5"},
    {'h', 7.2, 2.5, 2.4, "M 0 15 L 0 0 M 0 6.2 V 3.7 10 H 7.2 6.4 L 7.2 0"},
    {'i', 0, 2.5, 2.5, "M 0 10 L 0 0 D 0 13.8"},
    {'j', 2, 1.0, 2.5, "M 2 10 L 2 -2.2 V 0 -4.6 D 2 13.8"},
    {'k', 6.6, 2.5, 0.9, "M 0 15 L 0 0 M 6.2 10 L 0 4.2 M 2.3 6.4 L 6.6 0"},
    {'l', 1.8, 2.5, 1.5, "M 0 15 L 0 2.2 V 1.8 0"},
    {'m', 12, 2.5, 2.4, "M 0 10 L 0 0 M 0 6.4 V 3.1 10 H 6 6.6 L 6 0 M 6 6.4 V 9 10 H 12 6.6 L 12 0"},
    {'n', 7.2, 2.5, 2.4, "M 0 10 L 0 0 M 0 6.2 V 3.7 10 H 7.2 6.4 L 7.2 0"},
    {'o', 7.8, 2, 2, "E 3.9 5 3.9 5"},
    {'p', 7.6, 2.5, 2, "M 0 10 L 0 -4.6 E 3.8 5 3.8 5"},
    {'q', 7.6, 2, 2.5, "M 7.6 10 L 7.6 -4.6 E 3.8 5 3.8 5"},
    {'r', 4.2, 2.5, 0.8, "M 0 10 L 0 0 M 0 6 V 3.4 9.9 L 4.2 9.9"},
    {'s', 6.4, 1.8, 1.7, "M 6 8.7 Q 5 10 3.2 10 H 0.3 7.5 Q 0.3 5.7 3.2 5.1 Q 6.4 4.5 6.4 2.6 V 3.2 0 Q 1.1 0 0 1.5"},
    {'t', 4.6, 1.2, 1.2, "M 1.8 13.6 L 1.8 2.6 V 4.2 0 L 4.6 0 M 0 10 L 4.6 10"},
    {'u', 7.2, 2.4, 2.5, "M 0 10 L 0 3.6 V 3.5 0 H 7.2 3.8 M 7.2 10 L 7.2 0"},
    {'v', 7.4, 1, 1, "M 0 10 L 3.7 0 L 7.4 10"},
    {'w', 11.2, 1.2, 1.2, "M 0 10 L 2.8 0 L 5.6 10 L 8.4 0 L 11.2 10"},
    {'x', 7, 1.1, 1.1, "M 0 10 L 7 0 M 7 10 L 0 0"},
    {'y', 7.4, 1, 1, "M 0 10 L 3.8 0 M 7.4 10 L 3 -2.4 Q 2.2 -4.6 0.4 -4.6"},
    {'z', 6.4, 1.5, 1.5, "M 0 10 L 6.4 10 L 0 0 L 6.4 0"},
    {'{', 3.6, 1.8, 1.6, "M 3.6 16 L 3.4 16 H 1.7 14 L 1.7 8.6 Q 1.7 6 0 6 Q 1.7 6 1.7 3.4 L 1.7 -2 V 3.4 -4 L 3.6 -4"},
    {'|', 0, 3, 3, "M 0 -4 L 0 16"},
    {'}', 3.6, 1.6, 1.8, "M 0 16 L 0.2 16 H 1.9 14 L 1.9 8.6 Q 1.9 6 3.6 6 Q 1.9 6 1.9 3.4 L 1.9 -2 V 0.2 -4 L 0 -4"},
    {'~', 8.4, 2.4, 2.4, "M 0 4.8 Q 0.4 7 2.4 7 Q 3.4 7 4.2 5.9 Q 5 4.8 6 4.8 Q 8 4.8 8.4 7"},
    {0xB1, 8.4, 2.4, 2.4, "M 0 7 L 8.4 7 M 4.2 11 L 4.2 3 M 0 0 L 8.4 0"},
    {0xB7, 0, 2.4, 2.4, "D 0 5.4"},
    {0xD7, 7, 2.6, 2.6, "M 0 9.3 L 7 2.3 M 0 2.3 L 7 9.3"},
    {0x3B5, 6, 1.8, 1.8, "M 5.8 8.8 Q 4.8 10 3.2 10 H 0.6 7.6 V 3 5.3 L 4 5.3 M 3 5.3 H 0 2.7 V 3.1 0 Q 5 0 6 1.4"},
    {0x3BB, 7.6, 1.2, 1.2, "M 0.4 15 Q 2 15 2.6 13.2 L 7.6 0 M 3.9 9.6 L 0 0"},
    {0x2013, 8, 1, 1, "M 0 5.4 L 8 5.4"},
    {0x2014, 16, 1, 1, "M 0 5.4 L 16 5.4"},
    {0x2018, 1, 2, 2, "M 1 14.5 L 0 11.2"},
    {0x2019, 1, 2, 2, "M 1 14.5 L 0 11.2"},
    {0x201C, 4, 2, 2, "M 1 14.5 L 0 11.2 M 4 14.5 L 3 11.2"},
    {0x201D, 4, 2, 2, "M 1 14.5 L 0 11.2 M 4 14.5 L 3 11.2"},
    {0x2026, 10, 2.4, 2.4, "D 0 0.2 D 5 0.2 D 10 0.2"},
    {0x2192, 12, 1.8, 1.8, "M 0 5.6 L 12 5.6 M 8 9.4 L 12 5.6 L 8 1.8"},
    {0x2264, 8, 2.4, 2.4, "M 8 11.4 L 0 7.6 L 8 3.8 M 0 0 L 8 0"},
    {0x2265, 8, 2.4, 2.4, "M 0 11.4 L 8 7.6 L 0 3.8 M 0 0 L 8 0"},
};
constexpr glyph box = {0, 7, 2, 2, "M 0 0 L 0 13 L 7 13 L 7 0 L 0 0"};

const glyph& glyph_of(std::uint32_t code) {
  static const auto by_code = [] {
    std::map<std::uint32_t, const glyph*> codes;
    for (const glyph& g : face) codes.emplace(g.code, &g);
    return codes;
  }();
  const auto found = by_code.find(code);
  return found == by_code.end() ? box : *found->second;
}

/// How many bytes the UTF-8 character at `text[i]` has; a byte that begins none counts alone.
std::size_t character_length(std::string_view text, std::size_t i) {
  const auto lead = static_cast<unsigned char>(text[i]);
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
  std::size_t n = 1;
  while (n < length && i + n < text.size() && (static_cast<unsigned char>(text[i + n]) & 0xC0) == 0x80) ++n;
  return n;
}

std::uint32_t character_code(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])); };
  if (bytes.size() == 1) return byte(0);
  std::uint32_t code = byte(0) & (0xFFu >> (bytes.size() + 1));
  for (std::size_t i = 1; i < bytes.size(); ++i) code = code << 6 | (byte(i) & 0x3F);
  return code;
}

/// A drawing's lines in glyph units; curves are cut into short pieces.
std::vector<std::vector<point>> parsed(const char* drawing) {
  std::vector<std::vector<point>> lines;
  const auto curve = [&](point control, point end) {
    const point start = lines.back().back();
    constexpr int pieces = 8;
    for (int i = 1; i <= pieces; ++i) {
      const double t = static_cast<double>(i) / pieces, u = 1.0 - t;
      lines.back().push_back({u * u * start.x + 2 * u * t * control.x + t * t * end.x,
                              u * u * start.y + 2 * u * t * control.y + t * t * end.y});
    }
  };
  std::istringstream in(drawing);
  char command;
  point a, b;
  while (in >> command >> a.x >> a.y) {
    if (command == 'M' || command == 'D') lines.push_back({a});
    if (command == 'D') lines.back().push_back(a);
    if (command == 'L') lines.back().push_back(a);
    if (command == 'H') curve({a.x, lines.back().back().y}, a);
    if (command == 'V') curve({lines.back().back().x, a.y}, a);
    if (command == 'Q' && in >> b.x >> b.y) curve(a, b);
    if (command == 'E' && in >> b.x >> b.y) {
      lines.push_back({});
      constexpr int pieces = 40;
      for (int i = 0; i <= pieces; ++i) {
        const double angle = 2.0 * 3.14159265358979323846 * i / pieces;
        lines.back().push_back({a.x + b.x * std::cos(angle), a.y + b.y * std::sin(angle)});
      }
    }
  }
  return lines;
}

/// Moves heights so that baseline, small letters, capitals and descenders fall on whole pixels: crisp text at small
/// sizes.
double fitted_height(double y, double scale) {
  const double from[] = {-4.6, 0.0, 10.0, 14.0, 15.0};
  double to[5];
  for (int i = 0; i < 5; ++i) to[i] = std::round(from[i] * scale);
  if (y <= from[0]) return to[0] + (y - from[0]) * scale;
  for (int i = 0; i < 4; ++i)
    if (y <= from[i + 1]) return to[i] + (to[i + 1] - to[i]) * (y - from[i]) / (from[i + 1] - from[i]);
  return to[4] + (y - from[4]) * scale;
}

bool contains(const std::vector<double>& values, double v) {
  return std::any_of(values.begin(), values.end(), [v](double w) { return std::abs(v - w) < 1e-9; });
}

/// Puts a glyph's lines in pixels, y up from the baseline, with its straight horizontals and verticals on whole pixels.
void fit(std::vector<std::vector<point>>& lines, const glyph& g, double scale) {
  std::vector<double> verticals, horizontals;
  for (const auto& line : lines)
    for (std::size_t i = 1; i < line.size(); ++i) {
      if (std::abs(line[i].x - line[i - 1].x) < 1e-9) verticals.push_back(line[i].x);
      if (std::abs(line[i].y - line[i - 1].y) < 1e-9) horizontals.push_back(line[i].y);
    }
  const double stretch = g.width > 0 ? std::round(g.width * scale) / g.width : scale;
  for (auto& line : lines)
    for (point& p : line) {
      const double x = p.x * stretch, y = fitted_height(p.y, scale);
      p.x = contains(verticals, p.x) ? std::round(x) : x;
      p.y = contains(horizontals, p.y) ? std::round(y) : y;
    }
}

double scale_of(double size) { return size / 20.0; }
double left_of(const glyph& g, double scale, bool bold) { return std::round((g.left + (bold ? 0.5 : 0.0)) * scale); }
double advance_of(const glyph& g, double scale, bool bold) {
  return std::round(g.width * scale) + std::round((g.left + g.right + (bold ? 1.0 : 0.0)) * scale);
}

/// Calls visit(glyph) for each character.
template <class Visit>
void for_each_glyph(std::string_view text, Visit visit) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t n = character_length(text, i);
    visit(glyph_of(character_code(text.substr(i, n))));
    i += n;
  }
}

/// The longest beginning of `word` that fits, one character at least.
std::string_view fitting_part(std::string_view word, double size, index_t width, bool bold) {
  std::size_t n = character_length(word, 0);
  while (n < word.size()) {
    const std::size_t next = n + character_length(word, n);
    if (text_width(word.substr(0, next), size, bold) > width) break;
    n = next;
  }
  return word.substr(0, n);
}

void wrap_paragraph(std::string_view text, double size, index_t width, bool bold, std::vector<std::string>& lines) {
  std::string line;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = std::min(text.find(' ', i), text.size());
    std::string_view word = text.substr(i, end - i);
    i = end + 1;
    if (word.empty()) continue;
    const std::string joined = line.empty() ? std::string(word) : line + ' ' + std::string(word);
    if (text_width(joined, size, bold) <= width) {
      line = joined;
      continue;
    }
    if (!line.empty()) lines.push_back(std::move(line));
    for (auto part = fitting_part(word, size, width, bold); part.size() < word.size();
         part = fitting_part(word, size, width, bold)) {
      lines.emplace_back(part);
      word.remove_prefix(part.size());
    }
    line = word;
  }
  lines.push_back(std::move(line));
}

}  // namespace

pen_strokes text_strokes(std::string_view utf8, double size, bool bold) {
  const double scale = scale_of(size);
  const double baseline = std::round(18.4 * scale) + 0.5;
  pen_strokes strokes{.lines = {}, .thickness = std::max((bold ? 2.7 : 1.65) * scale, bold ? 1.7 : 1.1)};
  double pen = 0.5;  // a line through pixel centres covers whole pixels
  for_each_glyph(utf8, [&](const glyph& g) {
    auto lines = parsed(g.drawing);
    fit(lines, g, scale);
    for (auto& line : lines) {
      for (point& p : line) p = {pen + left_of(g, scale, bold) + p.x, baseline - p.y};
      strokes.lines.push_back(std::move(line));
    }
    pen += advance_of(g, scale, bold);
  });
  return strokes;
}

index_t text_width(std::string_view utf8, double size, bool bold) {
  double width = 0.0;
  for_each_glyph(utf8, [&](const glyph& g) { width += advance_of(g, scale_of(size), bold); });
  return static_cast<index_t>(width);
}

index_t line_height(double size) { return static_cast<index_t>(std::ceil(1.3 * size)); }

std::vector<std::string> wrap_text(std::string_view utf8, double size, index_t width, bool bold) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i <= utf8.size();) {
    const std::size_t end = std::min(utf8.find('\n', i), utf8.size());
    wrap_paragraph(utf8.substr(i, end - i), size, width, bold, lines);
    i = end + 1;
  }
  return lines;
}

}  // namespace support
