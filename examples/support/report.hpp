// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "support/file.hpp"
#include "transfusion/core/error.hpp"

namespace support {

/// A number with a fixed count of digits after the point: fixed(0.12345, 3) is "0.123".
inline std::string fixed(double value, int digits = 2) {
  char text[512];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

/// A share of one as per cent: percent(0.8731) is "87.3 %".
inline std::string percent(double share, int digits = 1) { return fixed(100.0 * share, digits) + " %"; }

/// A Markdown table, its columns padded so that the source reads well too.
class markdown_table {
 public:
  explicit markdown_table(std::vector<std::string> head) : columns_(head.size()) {
    transfusion::require<transfusion::shape_error>(columns_ > 0, "markdown_table: found no columns, expected some");
    row(std::move(head));
  }

  /// Adds a row. Throws shape_error unless it has as many cells as the head.
  markdown_table& row(std::vector<std::string> cells) {
    transfusion::require<transfusion::shape_error>(cells.size() == columns_, "markdown_table row: found ", cells.size(),
                                                   " cells, expected ", columns_);
    for (std::string& cell : cells) cell = escaped(cell);
    rows_.push_back(std::move(cells));
    return *this;
  }

  /// The table, a line a row, with a line break at the end.
  std::string text() const {
    std::vector<std::size_t> widths(columns_, 3);
    for (const auto& cells : rows_)
      for (std::size_t c = 0; c < columns_; ++c) widths[c] = std::max(widths[c], width(cells[c]));
    std::string out;
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      for (std::size_t c = 0; c < columns_; ++c) {
        const std::string& cell = rows_[r][c];
        out += "| " + cell + std::string(widths[c] - width(cell) + 1, ' ');
      }
      out += "|\n";
      if (r == 0) {
        for (const std::size_t w : widths) out += "| " + std::string(w, '-') + ' ';
        out += "|\n";
      }
    }
    return out;
  }

 private:
  /// Characters, not bytes: UTF-8 continuation bytes do not count.
  static std::size_t width(const std::string& cell) {
    return static_cast<std::size_t>(
        std::count_if(cell.begin(), cell.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  }
  static std::string escaped(const std::string& cell) {
    std::string out;
    for (const char c : cell) {
      if (c == '|') out += '\\';
      out += c == '\n' ? ' ' : c;
    }
    return out;
  }

  std::size_t columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// A Markdown document, written part by part and saved in one piece.
class markdown_report {
 public:
  explicit markdown_report(std::string_view title) { heading(title, 1); }

  markdown_report& heading(std::string_view text, int level = 2) {
    return block(std::string(static_cast<std::size_t>(level), '#') + ' ' + std::string(text));
  }
  markdown_report& paragraph(std::string_view text) { return block(std::string(text)); }
  markdown_report& picture(std::string_view file, std::string_view caption) {
    return block("![" + std::string(caption) + "](" + std::string(file) + ")");
  }
  markdown_report& table(const markdown_table& table) { return block(table.text()); }

  const std::string& text() const { return text_; }
  /// Throws io_error naming the file.
  void save(const std::filesystem::path& file) const { write_file(file, text_); }

 private:
  markdown_report& block(std::string text) {
    if (!text_.empty()) text_ += '\n';
    text_ += text;
    if (!text_.ends_with('\n')) text_ += '\n';
    return *this;
  }

  std::string text_;
};

}  // namespace support
