// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_emoji_font
#include "support/emoji.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <set>

#include "files.hpp"
#include "transfusion/core/error.hpp"

using namespace support;
using files::check_throws;
namespace tt = boost::test_tools;

namespace {

constexpr std::string_view some_lines =
    "# emoji-test.txt\n"
    "\n"
    "1F600 ; fully-qualified # \U0001F600 E1.0 grinning face\n"
    "263A FE0F ; fully-qualified # \u263A E0.6 smiling face\n"
    "263A ; unqualified # \u263A E0.6 smiling face\n"
    "1F468 200D 1F467 ; fully-qualified # \U0001F468 E4.0 family: man, girl\n"
    "1F3FB ; component # \U0001F3FB E1.0 light skin tone\n"
    "1F550 ; fully-qualified # \U0001F550 E0.6 one o\u2019clock\n"
    "1F251 ; fully-qualified # \U0001F251 E0.6 Japanese \u201cacceptable\u201d button\n";

/// Tests that need the real font say so where it is missing, and are counted as skipped.
boost::test_tools::assertion_result font_is_here(boost::unit_test::test_unit_id) {
  const bool here =
      TRANSFUSION_HAS_FREETYPE && std::filesystem::exists(emoji_font) && std::filesystem::exists(emoji_names);
  boost::test_tools::assertion_result result(here);
  if (!here) result.message() << "needs libfreetype-dev, fonts-noto-color-emoji and unicode-data";
  return result;
}

/// The same for sequences.
boost::test_tools::assertion_result shaping_is_here(boost::unit_test::test_unit_id id) {
  boost::test_tools::assertion_result result = font_is_here(id);
  if (!TRANSFUSION_HAS_HARFBUZZ) result = false;
  if (!result) result.message() << ", needs libharfbuzz-dev";
  return result;
}

double mean_of(const byte_image& image, index_t channel) {
  const index_t size = image.shape.height * image.shape.width;
  double sum = 0;
  for (index_t i = 0; i < size; ++i) sum += image.pixels[static_cast<std::size_t>(channel * size + i)];
  return sum / static_cast<double>(size);
}

}  // namespace

BOOST_AUTO_TEST_CASE(names_of_single_code_points_are_read) {
  const files::temporary_folder folder;
  const auto names = read_emoji_names(files::put(folder / "emoji-test.txt", some_lines));
  BOOST_REQUIRE(names.size() == 4u);
  BOOST_TEST(static_cast<unsigned long>(names[0].code) == 0x1F600u);
  BOOST_TEST(names[0].name == "grinning face");
  BOOST_TEST(static_cast<unsigned long>(names[1].code) == 0x263Au);
  BOOST_TEST(names[2].name == "one o'clock");
  BOOST_TEST(names[3].name == "Japanese acceptable button");
}

BOOST_AUTO_TEST_CASE(bad_files_are_named_with_line_and_package) {
  const files::temporary_folder folder;
  using transfusion::format_error;
  using transfusion::io_error;
  check_throws<io_error>([&] { read_emoji_names(folder / "none.txt"); }, {"none.txt", "unicode-data"});
  const auto read = [&](std::string_view text) { read_emoji_names(files::put(folder / "bad.txt", text)); };
  check_throws<format_error>([&] { read("# only a comment\n"); }, {"bad.txt", "no emoji"});
  check_throws<format_error>([&] { read("\n1F600 fully-qualified\n"); }, {"line 2", "status"});
  check_throws<format_error>([&] { read("1G600 ; fully-qualified # x E1.0 name\n"); }, {"line 1", "1G600"});
  check_throws<format_error>([&] { read("1F600 ; fully-qualified # x grinning\n"); }, {"line 1", "E1.0"});
}

BOOST_AUTO_TEST_CASE(a_missing_font_is_named_with_its_package) {
  check_throws<transfusion::io_error>(
      [] {
        draw_emoji({{0x1F600, "grinning face"}}, 32, "/none.ttf");
      },
#if TRANSFUSION_HAS_FREETYPE
      {"/none.ttf", "fonts-noto-color-emoji"});
#else
      {"libfreetype-dev"});
#endif
}

BOOST_AUTO_TEST_CASE(the_font_draws_in_colour_on_white, *boost::unit_test::precondition(font_is_here)) {
  const auto drawn = draw_emoji({{0x2764, "red heart"}, {0x1F535, "blue circle"}, {0x41, "no emoji"}}, 32);
  BOOST_REQUIRE(drawn.size() == 2u);  // the font has no colour bitmap of A
  for (const emoji_picture& p : drawn) {
    BOOST_TEST((p.image.shape == image_shape{3, 32, 32}));
    for (const std::size_t corner : {0u, 31u, 31u * 32, 32u * 32 - 1}) BOOST_TEST(p.image.pixels[corner] == 255);
  }
  BOOST_TEST(mean_of(drawn[0].image, 0) > mean_of(drawn[0].image, 2) + 60);
  BOOST_TEST(mean_of(drawn[1].image, 2) > mean_of(drawn[1].image, 0) + 60);
}

BOOST_AUTO_TEST_CASE(most_emoji_can_be_drawn, *boost::unit_test::precondition(font_is_here)) {
  const auto names = read_emoji_names();
  BOOST_TEST(names.size() > 1000u);
  std::set<char32_t> codes;
  for (const auto& n : names) codes.insert(n.code);
  BOOST_TEST(codes.size() == names.size());
  // Half of the side is enough to see that the average of an area keeps its mean.
  const std::vector<emoji_name> few(names.begin(), names.begin() + 40);
  const auto large = draw_emoji(few, 64), small = draw_emoji(few, 32);
  BOOST_REQUIRE(large.size() == small.size());
  BOOST_TEST(large.size() == 40u);
  for (std::size_t i = 0; i < large.size(); ++i)
    BOOST_TEST(mean_of(large[i].image, 1) == mean_of(small[i].image, 1), tt::tolerance(0.02));
}

#if TRANSFUSION_HAS_FREETYPE
BOOST_AUTO_TEST_CASE(what_is_no_colour_font_is_refused) {
  const files::temporary_folder folder;
  check_throws<transfusion::format_error>(
      [&] {
        draw_emoji({{0x1F600, "grinning face"}}, 32, files::put(folder / "bad.ttf", "not a font"));
      },
      {"bad.ttf"});
  check_throws<transfusion::config_error>([] { draw_emoji({}, 0); }, {"side", "found 0"});
}
#endif

BOOST_AUTO_TEST_CASE(sequences_are_read_with_their_headings) {
  const files::temporary_folder folder;
  const std::string text =
      "# group: People & Body\n# subgroup: hand\n1F44B 1F3FD ; fully-qualified # x E1.0 waving hand: "
      "medium skin tone\n# group: Food & Drink\n1F355 ; fully-qualified # x E0.6 pizza\n";
  const auto emoji = read_emoji_sequences(files::put(folder / "emoji-test.txt", text));
  BOOST_REQUIRE(emoji.size() == 2u);
  BOOST_TEST((emoji[0].codes == std::vector<char32_t>{0x1F44B, 0x1F3FD}));
  BOOST_TEST(emoji[0].group == "People & Body");
  BOOST_TEST(emoji[0].subgroup == "hand");
  BOOST_TEST(emoji[1].group == "Food & Drink");
}

BOOST_AUTO_TEST_CASE(skin_tones_are_found_by_shaping, *boost::unit_test::precondition(shaping_is_here)) {
  const std::vector<emoji_sequence> hands{{{0x1F44B}, "waving hand", "", ""},
                                          {{0x1F44B, 0x1F3FB}, "light", "", ""},
                                          {{0x1F44B, 0x1F3FF}, "dark", "", ""},
                                          {{0x1F355, 0x1F3FF}, "a dark pizza, which no font has", "", ""}};
  const auto drawn = draw_emoji_sequences(hands, 32);
  BOOST_REQUIRE(drawn.size() == 4u);
  BOOST_TEST(drawn[3].pixels.empty());
  BOOST_TEST(drawn[0].pixels != drawn[1].pixels);
  for (index_t c = 0; c < 3; ++c) BOOST_TEST(mean_of(drawn[1], c) > mean_of(drawn[2], c) + 10);
  BOOST_TEST((drawn[0].pixels == draw_emoji({{0x1F44B, "waving hand"}}, 32)[0].image.pixels));
}

#if !(TRANSFUSION_HAS_FREETYPE && TRANSFUSION_HAS_HARFBUZZ)
BOOST_AUTO_TEST_CASE(missing_shaping_is_named_with_its_package) {
  check_throws<transfusion::io_error>([] { draw_emoji_sequences({}, 32); }, {"libharfbuzz-dev"});
}
#endif
