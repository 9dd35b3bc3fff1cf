// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "transfusion/core/types.hpp"

namespace support {
using transfusion::index_t;

/// A place on a canvas: x to the right, y down, pixel (0, 0) covering [0, 1)².
struct point {
  double x = 0.0;
  double y = 0.0;
};

/// Lines drawn by a pen, in canvas coordinates.
struct pen_strokes {
  std::vector<std::vector<point>> lines;
  double thickness = 1.0;
};

/// A built-in sans-serif face of pen strokes, so that no font file is needed. It knows ASCII and a few signs more
/// (× · – — … ± ≤ ≥ → ε λ and curly quotes); anything else is drawn as a box.
/// `size` is the height of the em in pixels; 12 and more read well.
pen_strokes text_strokes(std::string_view utf8, double size, bool bold);

/// The width in pixels of one line of text.
index_t text_width(std::string_view utf8, double size, bool bold = false);

/// The distance in pixels between two baselines; one line of text fits into it.
index_t line_height(double size);

/// Cuts text into lines of at most `width` pixels, at spaces where it can, inside words where it must, and at each
/// '\n'.
std::vector<std::string> wrap_text(std::string_view utf8, double size, index_t width, bool bold = false);

}  // namespace support
