// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_picture
#include "support/picture.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>

#include "files.hpp"
#include "support/grid.hpp"
#include "support/image_file.hpp"
#include "transfusion/core/error.hpp"

using namespace support;
using files::check_throws;
using transfusion::config_error;
using transfusion::io_error;
using transfusion::numeric_error;
using transfusion::shape_error;

namespace support {
std::ostream& operator<<(std::ostream& out, const color& c) {
  return out << +c.red << ',' << +c.green << ',' << +c.blue;
}
}  // namespace support

namespace {

constexpr color red{255, 0, 0};

/// How many pixels of a window are not white.
index_t inked(const picture& p, index_t x0, index_t y0, index_t x1, index_t y1) {
  index_t n = 0;
  for (index_t y = y0; y < y1; ++y)
    for (index_t x = x0; x < x1; ++x) n += p.pixel(x, y) != colors::white;
  return n;
}
index_t inked(const picture& p) { return inked(p, 0, 0, p.width(), p.height()); }

grid_cell flat_cell(index_t height, index_t width, float value, std::string label = {}) {
  return {.values = std::vector<float>(static_cast<std::size_t>(height * width), value),
          .shape = {1, height, width},
          .label = std::move(label)};
}

}  // namespace

BOOST_AUTO_TEST_CASE(shapes_are_filled_and_cut_at_the_edge) {
  picture p(10, 8);
  BOOST_TEST(inked(p) == 0);
  p.rectangle(2, 3, 4, 2, red);
  BOOST_TEST(inked(p) == 8);
  BOOST_TEST(p.pixel(2, 3) == red);
  BOOST_TEST(p.pixel(5, 4) == red);
  BOOST_TEST(p.pixel(6, 4) == colors::white);
  p.fill(colors::white);
  p.rectangle(-5, -5, 7, 6, red);
  BOOST_TEST(inked(p) == 2);
  p.fill(colors::white);
  p.frame(1, 1, 5, 4, red);
  BOOST_TEST(inked(p) == 14);
  BOOST_TEST(p.pixel(2, 2) == colors::white);
  check_throws<config_error>([&] { p.pixel(10, 0); }, {"(10, 0)", "10×8"});
}

BOOST_AUTO_TEST_CASE(a_line_covers_its_pixels_and_blends_at_its_sides) {
  picture p(20, 9);
  p.line({3.5, 4.5}, {15.5, 4.5}, colors::black, 1.0);
  for (index_t x = 4; x < 15; ++x) BOOST_TEST(p.pixel(x, 4) == colors::black);
  BOOST_TEST(p.pixel(8, 3) == colors::white);
  p.fill(colors::white);
  p.line({3, 4}, {15, 4}, colors::black, 1.0);  // between two rows: half on each
  BOOST_TEST(p.pixel(8, 3) == p.pixel(8, 4));
  BOOST_TEST(std::abs(p.pixel(8, 3).red - 128) <= 1);
  p.fill(colors::white);
  p.line({-1e9, 4.5}, {1e9, 4.5}, colors::black, 1.0);  // far outside at both ends
  BOOST_TEST(inked(p) == 20);
}

BOOST_AUTO_TEST_CASE(crossing_lines_do_not_darken_each_other) {
  picture once(21, 21), twice(21, 21);
  const point line[] = {{3, 3}, {17, 16}};
  const point there_and_back[] = {{3, 3}, {17, 16}, {3, 3}};
  once.polyline(line, colors::ink);
  twice.polyline(there_and_back, colors::ink);
  for (index_t y = 0; y < 21; ++y)
    for (index_t x = 0; x < 21; ++x) BOOST_TEST(once.pixel(x, y) == twice.pixel(x, y));
}

BOOST_AUTO_TEST_CASE(images_are_magnified_in_both_ranges) {
  picture p(9, 9);
  p.blit(std::vector<float>{-1.0f, 0.0f, 1.0f, 5.0f}, {1, 2, 2}, 1, 1, 3);
  BOOST_TEST(p.pixel(1, 1) == colors::black);
  BOOST_TEST(p.pixel(3, 3) == colors::black);
  BOOST_TEST(p.pixel(4, 3) == (color{128, 128, 128}));
  BOOST_TEST(p.pixel(1, 4) == colors::white);
  BOOST_TEST(p.pixel(6, 6) == colors::white);  // clamped
  picture rgb(1, 1);
  rgb.blit(std::vector<float>{1.0f, 0.2f, 0.0f}, {3, 1, 1}, 0, 0, 1, value_range::unit);
  BOOST_TEST(rgb.pixel(0, 0) == (color{255, 51, 0}));
  rgb.blit(std::vector<std::uint8_t>{1, 2, 3}, {3, 1, 1}, 0, 0);
  BOOST_TEST(rgb.pixel(0, 0) == (color{1, 2, 3}));
  p.blit(rgb, 8, 8);
  BOOST_TEST(p.pixel(8, 8) == (color{1, 2, 3}));
}

BOOST_AUTO_TEST_CASE(images_that_cannot_be_drawn_are_refused) {
  picture p(4, 4);
  const std::vector<float> four(4, 0.0f);
  check_throws<shape_error>([&] { p.blit(four, {2, 1, 2}, 0, 0); }, {"channels", "found 2"});
  check_throws<shape_error>([&] { p.blit(four, {1, 2, 3}, 0, 0); }, {"found 4, expected 6"});
  check_throws<shape_error>([&] { p.blit(std::vector<float>{}, {1, 0, 3}, 0, 0); }, {"0×3"});
  check_throws<config_error>([&] { p.blit(four, {1, 2, 2}, 0, 0, 0); }, {"magnification", "found 0"});
  std::vector<float> broken = four;
  broken[2] = std::numeric_limits<float>::quiet_NaN();
  check_throws<numeric_error>([&] { p.blit(broken, {1, 2, 2}, 0, 0); }, {"value 2", "nan"});
  check_throws<config_error>([] { picture(0, 4); }, {"0×4"});
  check_throws<config_error>([] { picture(4, 40000); }, {"4×40000"});
}

BOOST_AUTO_TEST_CASE(text_stays_in_its_box_and_every_letter_has_ink) {
  for (const double size : {11.0, 14.0, 20.0})
    for (const bool bold : {false, true}) {
      for (char c = '!'; c <= '~'; ++c) {
        const std::string letter(1, c);
        const index_t width = text_width(letter, size, bold), height = line_height(size);
        picture p(width + 20, height + 20);
        p.text(10, 10, letter, {.size = size, .bold = bold});
        BOOST_TEST(inked(p) > 0, "no ink for " << letter);
        // A hook may lean over its box by a pixel or two, as in every face.
        BOOST_TEST(inked(p, 8, 9, width + 12, height + 11) == inked(p), letter << " leaves its box at size " << size);
      }
      BOOST_TEST(text_width("mm", size, bold) == 2 * text_width("m", size, bold));
      BOOST_TEST(text_width("", size, bold) == 0);
    }
  picture blank(20, 20);
  blank.text(0, 0, " ");
  BOOST_TEST(inked(blank) == 0);
}

BOOST_AUTO_TEST_CASE(no_two_letters_look_alike) {
  std::vector<std::vector<bool>> drawn;
  for (char c = '!'; c <= '~'; ++c) {
    picture p(24, 24);
    p.text(4, 2, std::string(1, c));
    std::vector<bool> shape;
    for (index_t y = 0; y < 24; ++y)
      for (index_t x = 0; x < 24; ++x) shape.push_back(p.pixel(x, y).red < 128);
    for (std::size_t i = 0; i < drawn.size(); ++i)
      BOOST_TEST((drawn[i] != shape), "'" << static_cast<char>('!' + i) << "' and '" << c << "' look alike");
    drawn.push_back(std::move(shape));
  }
}

BOOST_AUTO_TEST_CASE(utf8_counts_characters_and_broken_bytes_are_harmless) {
  BOOST_TEST(text_width("\xe2\x80\xa6", 14) > 0);                                // …
  BOOST_TEST(text_width("\xc3\xbc", 14) == text_width("\xf0\x9f\x98\x80", 14));  // ü, a smiley: one box each
  picture p(60, 30);
  p.text(0, 0, "\xff\xc3\x80\xe2");
  BOOST_TEST(inked(p) > 0);
}

BOOST_AUTO_TEST_CASE(text_wraps_at_spaces_inside_long_words_and_at_breaks) {
  const double size = 14;
  const std::string text = "a photo of an ankle boot";
  const auto lines = wrap_text(text, size, 80);
  BOOST_TEST(lines.size() > 1u);
  std::string joined;
  for (const std::string& line : lines) {
    BOOST_TEST(text_width(line, size) <= 80);
    joined += (joined.empty() ? "" : " ") + line;
  }
  BOOST_TEST(joined == text);
  std::string whole;
  for (const std::string& line : wrap_text("incomprehensibilities", size, 40)) {
    BOOST_TEST(text_width(line, size) <= 40);
    whole += line;
  }
  BOOST_TEST(whole == "incomprehensibilities");
  BOOST_TEST(wrap_text("a\n\nb", size, 500) == (std::vector<std::string>{"a", "", "b"}),
             boost::test_tools::per_element());
  BOOST_TEST(wrap_text("abc", size, 0).size() == 3u);  // narrower than any letter: one letter a line
}

BOOST_AUTO_TEST_CASE(a_saved_picture_is_read_back_bit_for_bit) {
  const files::temporary_folder folder;
  picture p(37, 23);
  p.text(2, 2, "Abc", {.ink = red});
  p.save(folder / "p.png");
  BOOST_TEST(folder.count() == 1u);  // no temporary is left
  const byte_image image = decode_image(folder / "p.png");
  BOOST_REQUIRE((image.shape == image_shape{3, 23, 37}));
  for (index_t y = 0; y < 23; ++y)
    for (index_t x = 0; x < 37; ++x) {
      const auto at = [&](index_t c) { return image.pixels[static_cast<std::size_t>((c * 23 + y) * 37 + x)]; };
      BOOST_TEST(p.pixel(x, y) == (color{at(0), at(1), at(2)}));
    }
  check_throws<io_error>([&] { p.save(folder / "none" / "p.png"); }, {"p.png"});
  files::fs::create_directory(folder / "taken.png");
  check_throws<io_error>([&] { p.save(folder / "taken.png"); }, {"taken.png"});
  BOOST_TEST(folder.count() == 2u);
}

BOOST_AUTO_TEST_CASE(a_grid_holds_every_image_where_the_options_say) {
  std::vector<grid_row> rows(2);
  for (auto& row : rows)
    for (int c = 0; c < 3; ++c) row.cells.push_back(flat_cell(4, 4, -1.0f));
  const grid_options options{.magnify = 2, .gap = 5, .margin = 7};
  const picture plain = draw_grid(rows, options);
  BOOST_TEST(plain.width() == 2 * 7 + 3 * 8 + 2 * 5);
  BOOST_TEST(plain.height() == 2 * 7 + 2 * 8 + 5);
  BOOST_TEST(inked(plain) == 6 * 64);
  BOOST_TEST(plain.pixel(7 + 2 * 13, 7 + 13) == colors::black);
  BOOST_TEST(plain.pixel(7 + 8, 7) == colors::white);

  rows[0].label = "a photo of a bag";
  const picture labelled = draw_grid(rows, options);
  BOOST_TEST(labelled.width() == plain.width() + text_width("a photo of a bag", 14) + 12);
  BOOST_TEST(inked(labelled, 7, 7, 7 + text_width("a photo of a bag", 14), labelled.height()) > 50);
}

BOOST_AUTO_TEST_CASE(labels_under_cells_wrap_and_make_room) {
  std::vector<grid_row> rows(1);
  rows[0].cells = {flat_cell(10, 10, 1.0f, "one two three"), flat_cell(10, 10, 1.0f)};
  const grid_options options{.magnify = 4, .margin = 0};
  const auto lines = static_cast<index_t>(wrap_text("one two three", 14, 40).size());
  const picture p = draw_grid(rows, options);
  BOOST_TEST(lines > 1);
  BOOST_TEST(p.height() == 40 + 4 + lines * line_height(14));
  BOOST_TEST(inked(p, 0, 0, p.width(), 40) == 0);
  BOOST_TEST(inked(p, 0, 40, 40, p.height()) > 20);
  BOOST_TEST(inked(p, 42, 40, p.width(), p.height()) == 0);

  rows[0].cells[0].label_ink = colors::bad;
  BOOST_TEST(inked(draw_grid(rows, options)) > 20);
  grid_options titled = options;
  titled.title = "Samples";
  titled.columns = {"t = 1", "t = 0"};
  BOOST_TEST(draw_grid(rows, titled).height() > p.height() + 2 * line_height(14));
}

BOOST_AUTO_TEST_CASE(grids_that_cannot_be_are_refused) {
  check_throws<config_error>([] { draw_grid({}); }, {"no images"});
  const std::vector<grid_row> rows = {{"r", {flat_cell(2, 2, 0.0f)}}};
  check_throws<config_error>([&] { draw_grid(rows, {.columns = {"a", "b"}}); }, {"found 2", "at most 1"});
  check_throws<config_error>([&] { draw_grid(rows, {.magnify = 0}); }, {"magnify 0"});
}

BOOST_AUTO_TEST_CASE(a_document_grows_with_its_parts) {
  std::vector<document_part> parts = {std::string("a photo of a bag")};
  const picture text = draw_document(parts);
  parts.push_back(flat_cell(28, 28, -1.0f, "250 steps"));
  const picture both = draw_document(parts, {.magnify = 3});
  BOOST_TEST(both.height() == text.height() + 10 + 28 * 3 + 2);
  BOOST_TEST(both.pixel(18 + 1, text.height() - 18 + 10 + 1) == colors::black);
  check_throws<config_error>([] { draw_document({}); }, {"no parts"});
}
