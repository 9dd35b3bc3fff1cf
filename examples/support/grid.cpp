// SPDX-License-Identifier: Apache-2.0
#include "support/grid.hpp"

#include <algorithm>

#include "transfusion/core/error.hpp"

namespace support {
using transfusion::config_error;
using transfusion::require;

namespace {

using text_lines = std::vector<std::string>;

/// The lines of a label; none at all for an empty one.
text_lines lines_of(const std::string& text, double size, index_t width, bool bold = false) {
  return text.empty() ? text_lines{} : wrap_text(text, size, width, bold);
}

index_t height_of(const text_lines& lines, double size) {
  return static_cast<index_t>(lines.size()) * line_height(size);
}

index_t width_of(const text_lines& lines, double size) {
  index_t width = 0;
  for (const std::string& line : lines) width = std::max(width, text_width(line, size));
  return width;
}

void draw_lines(picture& canvas, const text_lines& lines, index_t x, index_t y, const text_style& style) {
  for (const std::string& line : lines) {
    canvas.text(x, y, line, style);
    y += line_height(style.size);
  }
}

/// Draws lines centred in a column.
void draw_centred(picture& canvas, const text_lines& lines, index_t x, index_t width, index_t y,
                  const text_style& style) {
  for (const std::string& line : lines) {
    canvas.text(x + (width - text_width(line, style.size, style.bold)) / 2, y, line, style);
    y += line_height(style.size);
  }
}

/// Where everything of a grid lies, worked out before the canvas is made.
class grid_layout {
 public:
  grid_layout(std::span<const grid_row> rows, const grid_options& options) : rows_(rows), options_(options) {
    measure_cells();
    measure_labels();
    place();
  }

  picture draw() const {
    picture canvas(width_, height_);
    draw_lines(canvas, title_, options_.margin, options_.margin, title_style());
    for (std::size_t c = 0; c < headings_.size(); ++c)
      draw_centred(canvas, headings_[c], column_x(c), cell_width_, headings_y_, style());
    for (std::size_t r = 0; r < rows_.size(); ++r) draw_row(canvas, r);
    return canvas;
  }

 private:
  text_style style() const { return {.size = options_.text_size}; }
  text_style title_style() const { return {.size = options_.text_size + 4, .bold = true}; }
  index_t column_x(std::size_t c) const { return images_x_ + static_cast<index_t>(c) * (cell_width_ + options_.gap); }

  void measure_cells() {
    for (const grid_row& row : rows_) {
      columns_ = std::max(columns_, row.cells.size());
      index_t height = 0;
      for (const grid_cell& cell : row.cells) {
        cell_width_ = std::max(cell_width_, cell.shape.width * options_.magnify);
        height = std::max(height, cell.shape.height * options_.magnify);
      }
      image_heights_.push_back(height);
    }
    require<config_error>(columns_ > 0, "grid: found no images, expected some");
    require<config_error>(options_.columns.size() <= columns_, "grid: column titles: found ", options_.columns.size(),
                          ", expected at most ", columns_);
  }

  void measure_labels() {
    const double size = options_.text_size;
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      row_labels_.push_back(lines_of(rows_[r].label, size, options_.label_limit));
      label_width_ = std::max(label_width_, width_of(row_labels_[r], size));
      index_t under = 0;
      cell_labels_.emplace_back();
      for (const grid_cell& cell : rows_[r].cells) {
        cell_labels_[r].push_back(lines_of(cell.label, size, cell_width_));
        under = std::max(under, height_of(cell_labels_[r].back(), size));
      }
      row_heights_.push_back(
          std::max(image_heights_[r] + (under > 0 ? under + 4 : 0), height_of(row_labels_[r], size)));
    }
    for (const std::string& heading : options_.columns) headings_.push_back(lines_of(heading, size, cell_width_));
  }

  void place() {
    const index_t margin = options_.margin, gap = options_.gap;
    const auto columns = static_cast<index_t>(columns_);
    images_x_ = margin + (label_width_ > 0 ? label_width_ + 12 : 0);
    const index_t images_end = images_x_ + columns * cell_width_ + (columns - 1) * gap;
    // A title is as wide as the images, or wraps at 320 pixels where those are narrow.
    const double title_size = title_style().size;
    title_ = lines_of(options_.title, title_size, std::max<index_t>(320, images_end - margin), true);
    index_t title_width = 0;
    for (const std::string& line : title_) title_width = std::max(title_width, text_width(line, title_size, true));
    width_ = std::max(images_end, margin + title_width) + margin;
    headings_y_ = margin + (title_.empty() ? 0 : height_of(title_, title_size) + 6);
    index_t y = headings_y_;
    index_t headings_height = 0;
    for (const text_lines& heading : headings_)
      headings_height = std::max(headings_height, height_of(heading, options_.text_size));
    if (headings_height > 0) y += headings_height + 4;
    for (const index_t height : row_heights_) {
      rows_y_.push_back(y);
      y += height + gap;
    }
    height_ = y - gap + margin;
  }

  void draw_row(picture& canvas, std::size_t r) const {
    const double size = options_.text_size;
    const index_t y = rows_y_[r];
    const index_t label_y = y + std::max<index_t>(0, image_heights_[r] - height_of(row_labels_[r], size)) / 2;
    draw_lines(canvas, row_labels_[r], options_.margin, label_y, style());
    for (std::size_t c = 0; c < rows_[r].cells.size(); ++c) {
      const grid_cell& cell = rows_[r].cells[c];
      const index_t x = column_x(c) + (cell_width_ - cell.shape.width * options_.magnify) / 2;
      canvas.blit(cell.values, cell.shape, x, y, options_.magnify, options_.range);
      draw_centred(canvas, cell_labels_[r][c], column_x(c), cell_width_, y + image_heights_[r] + 4,
                   {.size = size, .ink = cell.label_ink});
    }
  }

  std::span<const grid_row> rows_;
  const grid_options& options_;
  std::size_t columns_ = 0;
  index_t cell_width_ = 0, label_width_ = 0, images_x_ = 0, headings_y_ = 0, width_ = 0, height_ = 0;
  std::vector<index_t> image_heights_, row_heights_, rows_y_;
  std::vector<text_lines> row_labels_, headings_;
  std::vector<std::vector<text_lines>> cell_labels_;
  text_lines title_;
};

}  // namespace

picture draw_grid(std::span<const grid_row> rows, const grid_options& options) {
  require<config_error>(options.magnify >= 1 && options.gap >= 0 && options.margin >= 0, "grid: magnify ",
                        options.magnify, ", gap ", options.gap, ", margin ", options.margin,
                        ": expected at least 1, 0, 0");
  return grid_layout(rows, options).draw();
}

picture draw_document(std::span<const document_part> parts, const document_options& options) {
  require<config_error>(!parts.empty(), "document: found no parts, expected some");
  require<config_error>(options.magnify >= 1 && options.margin >= 0, "document: magnify ", options.magnify, ", margin ",
                        options.margin, ": expected at least 1, 0");
  const index_t inner = options.width - 2 * options.margin;
  const text_style title{.size = options.text_size + 4, .bold = true}, body{.size = options.text_size};
  const text_style note{.size = options.text_size - 2, .ink = colors::grey};
  constexpr index_t gap = 10;

  /// Draws when given a canvas, measures when not; either way returns the height used.
  const auto set = [&](picture* canvas) {
    index_t y = options.margin;
    const auto put = [&](const text_lines& lines, const text_style& style) {
      if (canvas != nullptr) draw_lines(*canvas, lines, options.margin, y, style);
      if (!lines.empty()) y += height_of(lines, style.size) + gap;
    };
    put(lines_of(options.title, title.size, inner, true), title);
    for (const document_part& part : parts) {
      if (const auto* words = std::get_if<std::string>(&part)) {
        put(lines_of(*words, body.size, inner), body);
        continue;
      }
      const auto& cell = std::get<grid_cell>(part);
      const index_t width = cell.shape.width * options.magnify, height = cell.shape.height * options.magnify;
      const auto words = lines_of(cell.label, note.size, std::max<index_t>(40, inner - width - 16));
      if (canvas != nullptr) {
        canvas->frame(options.margin, y, width + 2, height + 2, colors::light);
        canvas->blit(cell.values, cell.shape, options.margin + 1, y + 1, options.magnify, options.range);
        draw_lines(*canvas, words, options.margin + width + 16, y, note);
      }
      y += std::max(height + 2, height_of(words, note.size)) + gap;
    }
    return y - gap + options.margin;
  };
  picture canvas(options.width, set(nullptr));
  set(&canvas);
  return canvas;
}

}  // namespace support
