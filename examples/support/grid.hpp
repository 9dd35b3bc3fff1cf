// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <variant>
#include <vector>

#include "support/picture.hpp"

namespace support {

/// One image of a grid, [C, H, W], with the words under it ('\n' begins a new line).
struct grid_cell {
  std::vector<float> values;
  image_shape shape;
  std::string label = {};
  color label_ink = colors::ink;
};

/// A row of images with the words to its left.
struct grid_row {
  std::string label;
  std::vector<grid_cell> cells;
};

struct grid_options {
  std::string title = {};
  std::vector<std::string> columns = {};  ///< words above the columns; none when empty
  index_t magnify = 3;                    ///< pixels a value
  index_t gap = 6;
  index_t margin = 14;
  index_t label_limit = 160;  ///< row labels wider than this are wrapped
  double text_size = 14.0;
  value_range range = value_range::signed_unit;
};

/// Rows × columns of images. Labels are word-wrapped; images of one grid may differ in size. Throws config_error when
/// there is no image or more column titles than columns, and what picture::blit throws.
picture draw_grid(std::span<const grid_row> rows, const grid_options& options = {});

/// A document of words and images in the order in which they were generated.
using document_part = std::variant<std::string, grid_cell>;

struct document_options {
  std::string title = {};
  index_t width = 560;
  index_t magnify = 5;
  index_t margin = 18;
  double text_size = 16.0;
  value_range range = value_range::signed_unit;
};

/// Sets a document from top to bottom: text wrapped to the width, each image framed with its label beside it.
picture draw_document(std::span<const document_part> parts, const document_options& options = {});

}  // namespace support
