// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_emoji
#include "support/emoji.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <set>

#include "emoji/support/coder.hpp"
#include "emoji/support/drawer.hpp"
#include "emoji/support/measure.hpp"
#include "emoji/support/program.hpp"
#include "emoji/support/report.hpp"
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

namespace {

/// Six bases with five tones each, 45 emoji without: flat pictures, whose skin is the left half.
emoji::data small_data() {
  std::vector<emoji_sequence> list;
  for (char32_t base = 0; base < 6; ++base) {
    const std::string name = "hand " + std::string(1, static_cast<char>('a' + base));
    list.push_back({{0x1F440 + base}, name, "People & Body", "hand"});
    for (char32_t tone = 0; tone < 5; ++tone)
      list.push_back({{0x1F440 + base, 0x1F3FB + tone},
                      name + ": " + std::string(emoji::tones[tone]) + " skin tone",
                      "People & Body",
                      "hand"});
  }
  for (char32_t n = 0; n < 45; ++n)
    list.push_back(
        {{0x1F500 + n},
         (n % 2 ? "apple " : "cake ") + std::string(1, static_cast<char>('a' + n % 26)) + (n < 26 ? "" : "z"),
         "Food & Drink",
         n % 5 ? "food" : "drink"});
  list.push_back({{0x1F44B, 0x200D, 0x1F44B}, "what is longer", "Symbols", "none"});
  auto items = emoji::items_of(list);
  hold_out(items);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const image_shape large{3, 2 * emoji::side, 2 * emoji::side};
    items[i].large = {large, std::vector<std::uint8_t>(static_cast<std::size_t>(large.size()), 255)};
    for (std::size_t at = 0; at < items[i].large.pixels.size(); ++at)
      if (at % static_cast<std::size_t>(large.width) < static_cast<std::size_t>(emoji::side))
        items[i].large.pixels[at] = static_cast<std::uint8_t>(items[i].base < 0 ? 10 : 240 - 40 * items[i].tone);
  }
  return emoji::data(std::move(items));
}

std::vector<transfusion::image> marked_latents(const emoji::data& d) {
  std::vector<transfusion::image> latents;
  for (std::size_t i = 0; i < d.items().size(); ++i) latents.push_back({{1, 1, 1}, {static_cast<float>(i)}});
  return latents;
}

}  // namespace

BOOST_AUTO_TEST_CASE(nothing_held_out_is_in_a_training_document) {
  const emoji::data d = small_data();
  BOOST_TEST(d.items().size() == 6u * 6 + 45);
  BOOST_TEST(d.bases().size() == 6u);
  BOOST_TEST(d.held_out_tones().size() == 3u);  // of every second base, another tone each
  std::set<index_t> tones;
  for (index_t i : d.held_out_tones()) {
    tones.insert(d.at(i).tone);
    BOOST_TEST(d.toned(d.at(i).base)[static_cast<std::size_t>(d.at(i).tone)] == i);
  }
  BOOST_TEST(tones.size() == 3u);
  BOOST_TEST(d.held_out_emoji().size() == 2u);
  BOOST_TEST(d.training().size() == d.items().size() - 5);

  const auto latents = marked_latents(d);
  const emoji::corpus c(d, latents);
  std::set<index_t> seen;
  index_t pairs = 0, sentences = 0, name_first = 0;
  for (index_t step = 0; step < 40; ++step)
    for (const auto& document : c.documents(step, 16, 1)) {
      std::vector<index_t> shown;
      for (const auto& s : document.segments)
        if (const auto* im = std::get_if<transfusion::image>(&s)) shown.push_back(static_cast<index_t>(im->values[0]));
      seen.insert(shown.begin(), shown.end());
      if (shown.size() == 2) {
        ++sentences;
        BOOST_TEST(document.segments.size() == 5u);
        const auto& told = std::get<transfusion::text>(document.segments[4]).tokens;
        BOOST_TEST(c.words().decode(told) ==
                   c.words().decode(c.text(": " + d.at(shown[0]).name + " and " + d.at(shown[1]).name).tokens));
      } else {
        ++pairs;
        const bool first = std::holds_alternative<transfusion::text>(document.segments[0]);
        name_first += first;
        BOOST_TEST(std::get<transfusion::text>(document.segments[first ? 0 : 1]).tokens == c.name(shown[0]).tokens);
      }
    }
  for (const emoji::item& i : d.items()) BOOST_TEST(seen.contains(&i - d.items().data()) == !i.held_out);
  BOOST_TEST(sentences > 30);
  BOOST_TEST(sentences < 100);
  BOOST_TEST(static_cast<double>(name_first) / static_cast<double>(pairs) == 0.75, tt::tolerance(0.1));
}

BOOST_AUTO_TEST_CASE(tones_are_read_from_the_skin_alone) {
  const emoji::data d = small_data();
  const index_t base = d.bases()[1];
  const emoji::tone_reader read(d, base);
  const double half = 0.5 * emoji::side * emoji::side;
  BOOST_TEST(static_cast<double>(read.skin().size()) == half, tt::tolerance(0.04));
  for (index_t t = 0; t < 5; ++t) {
    transfusion::image picture = d.picture(d.toned(base)[static_cast<std::size_t>(t)]);
    for (std::size_t at = 0; at < picture.values.size(); ++at)  // other skin beside the skin, and a little noise
      picture.values[at] += at % emoji::side >= emoji::side / 2 + 1 ? -1.5f : 0.04f;
    BOOST_TEST(read.tone(picture) == t);
  }
  std::vector<transfusion::image> wrong(3, d.picture(d.toned(base)[4]));
  std::vector<double> expected;
  for (index_t i : d.held_out_tones()) expected.push_back(d.at(i).tone == 4 ? 1 : 0);
  BOOST_TEST(tones_right(d, d.held_out_tones(), wrong) == expected, tt::per_element());
  check_throws<transfusion::config_error>([&] { emoji::tone_reader(d, d.training().back()); }, {"five skin tones"});
}

BOOST_AUTO_TEST_CASE(ten_names_are_ten_with_the_right_one_first) {
  const emoji::data d = small_data();
  for (const auto& list : {d.training(), d.held_out_emoji(), d.held_out_tones()})
    for (index_t i : list) {
      const auto names = ten_names(d, i, 1);
      BOOST_TEST(names.front() == i);
      BOOST_TEST(std::set<index_t>(names.begin(), names.end()).size() == 10u);
      std::set<index_t> bases;
      for (index_t n : names) bases.insert(d.at(n).base);
      if (d.at(i).base >= 0) BOOST_TEST(bases.size() == 2u);
    }
}

BOOST_AUTO_TEST_CASE(views_keep_colours_and_stay_in_range) {
  const emoji::data d = small_data();
  std::set<std::vector<float>> views;
  for (std::uint64_t n = 0; n < 6; ++n) {
    const auto v = d.view(0, {1, 2, transfusion::stream::test}, n);
    BOOST_TEST((v.shape == emoji::picture_shape));
    const auto [low, high] = std::minmax_element(v.values.begin(), v.values.end());
    BOOST_TEST(*low == 10 / 127.5f - 1, tt::tolerance(1e-5f));
    BOOST_TEST(*high == 1.0f, tt::tolerance(1e-5f));
    views.insert(v.values);
  }
  BOOST_TEST(views.size() == 6u);
}

BOOST_AUTO_TEST_CASE(stages_of_other_settings_are_refused_before_work) {
  const files::temporary_folder folder;
  emoji::settings s;
  s.out = folder.path();
  support::cpu_policy e(1);
  emoji::classifier<support::cpu_policy> judge(e, 9, 1);
  judge.save(s.classifier_stage());
  BOOST_CHECK_NO_THROW(check_folder(s));
  s.classifier.minutes += 1;
  check_throws<transfusion::config_error>([&] { check_folder(s); },
                                          {"classifier.safetensors", "2.00 minutes", "3.00 minutes", "--overwrite"});
  s.classifier.minutes -= 1;

  // A model without its autoencoder.
  const emoji::stage linear = s.drawer_stage("linear");
  transfusion::safetensors_writer(linear.file, {}, linear.metadata()).commit();
  check_throws<transfusion::config_error>([&] { check_folder(s); }, {"linear.safetensors", "vae.safetensors"});

  // An autoencoder of other channels than the codec's.
  transfusion::vae<support::cpu_policy> other(e, emoji::coder_sizes(8), 1);
  const transfusion::latent_scale scale{std::vector<double>(8, 0.0), std::vector<double>(8, 1.0)};
  s.vae = folder / "other.safetensors";
  save_autoencoder(s.vae, other);
  check_throws<transfusion::config_error>([&] { emoji::require_fitting(s.vae, 8); }, {"no scale"});
  save_autoencoder(s.vae, other, scale);
  BOOST_CHECK_NO_THROW(emoji::require_fitting(s.vae, 8));
  check_throws<transfusion::config_error>([&] { check_folder(s); }, {"other.safetensors", "found 8", "expected 4"});

  s.vae.clear();
  s.overwrite = true;
  BOOST_CHECK_NO_THROW(check_folder(s));
  BOOST_TEST(!std::filesystem::exists(linear.file));
}

BOOST_AUTO_TEST_CASE(a_classifier_comes_back_from_its_file) {
  const files::temporary_folder folder;
  const emoji::data d = small_data();
  support::cpu_policy e(1);
  const emoji::stage to{folder / "classifier.safetensors", "test"};
  emoji::classifier<support::cpu_policy> first(e, 2, 1), second(e, 2, 2);
  const std::vector<transfusion::image> pictures{d.picture(0), d.picture(8)};
  first.save(to);
  const auto wanted = first.look(pictures).features;
  BOOST_TEST(second.look(pictures).features[0] != wanted[0], tt::per_element());
  second.load(to.file);
  for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(second.look(pictures).features[i] == wanted[i], tt::per_element());
}

BOOST_AUTO_TEST_CASE(the_report_says_what_was_found) {
  const files::temporary_folder folder;
  const emoji::data d = small_data();
  emoji::settings s;
  s.out = folder.path();
  const emoji::test_items items(d, 12);
  BOOST_TEST(items.seen.size() == 12u);
  BOOST_TEST(items.tones.size() == 3u);
  emoji::findings f;
  f.command = "./run emoji --some";
  f.coder.training = {.steps = 77, .pictures = 308, .parameters = 1234, .seconds = 90};
  f.coder.psnr_emoji = 24.31;
  f.coder.scale = {{0.25}, {1.5}};
  const auto pictures_of = [&](const std::vector<index_t>& list) {
    std::vector<transfusion::image> pictures;
    for (index_t i : list) pictures.push_back(d.picture(i));
    return pictures;
  };
  f.coder.emoji = pictures_of(items.emoji);
  f.coder.tones = pictures_of(items.tones);
  emoji::drawer_findings one;
  one.codec = "linear";
  one.frechet = 3.14;
  one.tone = {.value = 0.5, .low = 0.25, .high = 0.75};
  one.seen = pictures_of(items.seen);
  one.tones = pictures_of(items.tones);
  one.named = {items.seen[0], items.tones[0]};
  one.names = {d.at(items.seen[0]).name, "wrong"};
  one.told = one.read = {std::string("i ate a"), support::grid_cell{one.seen[0].values, one.seen[0].shape}};
  f.drawers.push_back(one);
  files::put(s.out / "linear.csv", "step,text,image\n0,5.0,1.0\n1,4.0,0.9\n");
  save_report(s, d, items, f);
  const std::string text = support::read_file(s.out / "report.md");
  for (const char* part : {"./run emoji --some", "24.3 dB", "0.250, 1.500", "50.0 % (25 to 75)", "3.14", "1.5 minutes",
                           "documents-linear.png", "20 %"})
    BOOST_TEST(text.find(part) != text.npos, part << " is not in the report");
  for (const char* name : {"rebuilt", "samples", "tones", "names", "documents-linear", "loss"})
    BOOST_TEST((std::filesystem::exists(s.out / (std::string(name) + ".png"))));
}
