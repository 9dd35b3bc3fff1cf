// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_scenes
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "files.hpp"
#include "scenes/support/detector.hpp"
#include "scenes/support/draw.hpp"
#include "scenes/support/edit.hpp"
#include "scenes/support/generate.hpp"
#include "scenes/support/harm.hpp"
#include "scenes/support/score.hpp"
#include "transfusion/core/error.hpp"

using namespace scenes;
using files::check_throws;

namespace {

constexpr std::uint64_t seed = 11;
constexpr index_t sides[] = {32, 64};

scene training(std::uint64_t number) { return training_scene(seed, number).shown; }

bool is_read(const tf::image& picture, const scene& drawn) {
  const auto found = read_scene(picture);
  return found && is_close(*found, drawn);
}

/// How many of the first training scenes are not read whole.
index_t misread(index_t side, std::uint64_t count, const harm& h) {
  index_t wrong = 0;
  for (std::uint64_t n = 0; n < count; ++n) {
    const tf::random_key key{seed, static_cast<std::uint32_t>(n)};
    wrong += !is_read(harmed(draw(training(n), side), h, key), training(n));
  }
  return wrong;
}

colour another(colour c) { return colour_at((static_cast<index_t>(c) + 3) % colour_count); }
shape another(shape s) { return shape_at((static_cast<index_t>(s) + 2) % shape_count); }

/// Each with one object erased, recoloured, reshaped or moved, or with two exchanged or one added.
std::vector<scene> damaged(const scene& s) {
  std::vector<scene> all(4, s);
  all[0].objects.pop_back();
  all[1].objects[0].tint = another(s.objects[0].tint);
  all[2].objects[0].kind = another(s.objects[0].kind);
  all[3].objects[0].radius = 0.14;  // moves into the farther half
  all[3].objects[0].x = s.objects[0].x < 0.5 ? 0.8 : 0.2;
  all[3].objects[0].y = s.objects[0].y < 0.5 ? 0.8 : 0.2;
  if (s.objects.size() == 2 && s.objects[0].kind != s.objects[1].kind) {
    all.push_back(s);
    std::swap(all.back().objects[0].kind, all.back().objects[1].kind);
  }
  all.push_back(s);
  all.back().objects.push_back({shape::star, colour::purple, 0, 0, 0.14});
  dice d(seed, 0, dice::use::asked);
  for (int i = 0; i < 100 && !well_placed(all.back()); ++i) {
    all.back().objects.back().x = d.between(0.17, 0.83);
    all.back().objects.back().y = d.between(0.17, 0.83);
  }
  std::erase_if(all, [](const scene& other) { return !well_placed(other); });
  return all;
}

/// Fills the lower half of the square that holds an object.
void fill_half(tf::image& picture, const object& o, const rgb& with) {
  const auto side = static_cast<double>(picture.shape.width);
  const index_t width = picture.shape.width;
  for (index_t y = 0; y < width; ++y)
    for (index_t x = 0; x < width; ++x) {
      const double dx = (static_cast<double>(x) + 0.5) / side - o.x, dy = (static_cast<double>(y) + 0.5) / side - o.y;
      if (dy < 0 || std::max(std::abs(dx), dy) > o.radius + 0.5 / side) continue;
      for (index_t c = 0; c < 3; ++c)
        picture.values[static_cast<std::size_t>((c * width + y) * width + x)] =
            static_cast<float>(with[static_cast<std::size_t>(c)]);
    }
}

/// Where the lower of two shapes is, seen from the higher.
using placed_pair = std::tuple<shape, relation, shape>;

}  // namespace

BOOST_AUTO_TEST_CASE(scenes_are_read_as_they_were_drawn) {
  for (const index_t side : sides) BOOST_TEST(misread(side, 1000, {}) <= 1, "side " << side);
}

BOOST_AUTO_TEST_CASE(scenes_are_read_through_blur_noise_and_shifted_colours) {
  for (const index_t side : sides) {
    BOOST_TEST(misread(side, 60, {.blur = 1}) == 0, "side " << side);
    BOOST_TEST(misread(side, 60, {.shift = 0.15}) == 0, "side " << side);
    BOOST_TEST(misread(side, 60, {.noise = 0.2}) <= 1, "side " << side);
    BOOST_TEST(misread(side, 60, {.blur = 1, .shift = 0.15, .noise = 0.2}) <= 2, "side " << side);
  }
  BOOST_TEST(misread(32, 50, {.noise = 1.0}) >= 45);  // what is hidden is not guessed
}

BOOST_AUTO_TEST_CASE(a_damaged_scene_is_read_as_what_it_has_become) {
  index_t pictures = 0;
  for (const index_t side : sides)
    for (std::uint64_t n = 0; n < 40; ++n) {
      const auto [words, shown] = training_scene(seed, n);
      for (const scene& other : damaged(shown)) {
        const tf::image picture = draw(other, side);
        BOOST_TEST(!is_read(picture, shown));
        BOOST_TEST(is_read(picture, other));
        BOOST_TEST(is_right(words, picture) == shows(words, other.objects), caption(words));
        ++pictures;
      }
      BOOST_TEST(is_right(words, draw(shown, side)), caption(words));
    }
  BOOST_TEST(pictures > 350);
}

BOOST_AUTO_TEST_CASE(half_an_object_is_not_the_object) {
  for (const index_t side : sides)
    for (std::uint64_t n = 0; n < 40; ++n) {
      const scene s = training(n);
      tf::image erased = draw(s, side), repainted = erased;
      fill_half(erased, s.objects[0], s.ground);
      fill_half(repainted, s.objects[0], paint(another(s.objects[0].tint)));
      BOOST_TEST(!is_read(erased, s));
      BOOST_TEST(!is_read(repainted, s));
    }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_told_is_uncertain) {
  const object o{shape::circle, colour::red, 0.34, 0.5, 0.16};
  object beside = o;
  beside.x = 0.64;
  const scene touching{{o, beside}};
  for (const index_t side : sides) {
    const auto merged = find_objects(draw(touching, side));
    BOOST_REQUIRE(merged.size() == 1u);
    BOOST_TEST(!merged[0].certain());
    BOOST_TEST(!read_scene(draw(touching, side)));
    for (index_t k = 0; k < shape_count; ++k) {
      tf::image pale =
          draw({{{shape_at(k), colour::red, 0.34, 0.5, 0.16}}}, side);  // pink, which is none of the colours
      for (float& v : pale.values) v = 1 - 0.5f * (1 - v);
      BOOST_TEST(!read_scene(pale), name(shape_at(k)));
    }
  }
  BOOST_TEST(read_scene(draw({}, 32)).value().objects.empty());
}

BOOST_AUTO_TEST_CASE(objects_that_touch_are_told_apart_by_their_colours) {
  for (index_t c = 1; c < colour_count; ++c) {
    const scene s{{{shape::circle, colour::red, 0.34, 0.5, 0.16}, {shape::square, colour_at(c), 0.63, 0.5, 0.16}}};
    for (const index_t side : sides) BOOST_TEST(is_read(draw(s, side), s), name(colour_at(c)) << " " << side);
  }
}

BOOST_AUTO_TEST_CASE(a_pixel_is_covered_as_much_as_the_shape_covers_it) {
  const scene s{{{shape::square, colour::black, 0.5, 0.5, 0.25}}, {1, 1, 1}};
  for (const index_t side : {32, 64, 128}) {
    double dark = 0;
    for (const float v : draw(s, side).values) dark += (1 - static_cast<double>(v)) / static_cast<double>(side * side);
    const rgb& black = paint(colour::black);
    const double area = (2 * 0.84 * 0.25) * (2 * 0.84 * 0.25);
    BOOST_TEST(std::abs(dark - area * (3 - black[0] - black[1] - black[2])) < 0.01 * dark, "side " << side);
  }
}

BOOST_AUTO_TEST_CASE(a_scene_is_a_function_of_seed_and_number) {
  const auto a = training_scene(seed, 7), again = training_scene(seed, 7);
  BOOST_TEST((a.shown == again.shown && a.words == again.words));
  BOOST_TEST((a.shown != training(8)));
  BOOST_TEST((a.shown != training_scene(seed + 1, 7).shown));
  BOOST_TEST((a.shown != training_scene(seed, (1ull << 32) + 7).shown));
  BOOST_TEST(draw(a.shown, 32).values == draw(again.shown, 32).values);
  BOOST_TEST((training_edit(seed, 7).before == training_edit(seed, 7).before));
  BOOST_TEST((training_edit(seed, 7).before != training_edit(seed, 8).before));
}

BOOST_AUTO_TEST_CASE(a_caption_says_its_prompt_and_nothing_else_does) {
  std::set<std::string> captions;
  for (index_t t = 0; t < task_count; ++t)
    for (const auto& list : {training_prompts(task_at(t)), held_out_prompts(task_at(t))})
      for (const prompt& p : list) {
        const auto back = parse(caption(p));
        BOOST_REQUIRE_MESSAGE(back && *back == p, caption(p));
        BOOST_TEST((task_of(p) == task_at(t)), caption(p));
        captions.insert(caption(p));
      }
  for (const char* some : {"a circle", "an orange star", "one ring", "four crosses", "two black squares",
                           "a ring and a star", "a red circle left of an orange square", "a cross below a ring"})
    BOOST_TEST(captions.contains(some), some);
  for (const char* other : {"",
                            " ",
                            "a",
                            "two",
                            "circle",
                            "red circle",
                            "a red",
                            "a circle ",
                            " a circle",
                            "a  circle",
                            "a orange star",
                            "an circle",
                            "two circle",
                            "one circles",
                            "two crosss",
                            "two circless",
                            "five stars",
                            "a circle and",
                            "and a circle",
                            "a circle and two stars",
                            "a circle left",
                            "a circle left of",
                            "a red circle left a square",
                            "a circle beside a star",
                            "A circle",
                            "a circle and a star and a ring",
                            "a pink circle"})
    BOOST_TEST(!parse(other), "'" << other << "'");
}

BOOST_AUTO_TEST_CASE(what_is_held_out_is_in_no_training_scene_but_its_parts_are) {
  std::set<std::pair<shape, colour>> coloured, coloured_in_pairs;
  std::set<std::pair<shape, shape>> pairs;
  std::set<std::pair<index_t, shape>> counts;
  std::set<placed_pair> places;
  std::map<task, index_t> tasks;
  for (std::uint64_t n = 0; n < 6000; ++n) {
    const auto [words, shown] = training_scene(seed, n);
    BOOST_REQUIRE(!held_out(shown));
    BOOST_REQUIRE(well_placed(shown));
    BOOST_REQUIRE(shows(words, shown.objects));
    ++tasks[task_of(words)];
    for (const object& o : shown.objects) coloured.insert({o.kind, o.tint});
    if (words.count) counts.insert({*words.count, words.nouns[0].kind});
    if (words.nouns.size() == 1) continue;
    const object &a = std::ranges::min(shown.objects, {}, &object::kind),
                 &b = std::ranges::max(shown.objects, {}, &object::kind);
    pairs.insert({a.kind, b.kind});
    for (const object& o : shown.objects) coloured_in_pairs.insert({o.kind, o.tint});
    for (index_t r = 0; r < relation_count; ++r)
      if (holds(relation_at(r), a, b)) places.insert({a.kind, relation_at(r), b.kind});
  }
  // All but one colour and one count of each shape; twelve of fifteen pairs; three of four places of each.
  BOOST_TEST(coloured.size() == 6u * 7u);
  BOOST_TEST(coloured_in_pairs.size() == 6u * 7u);
  BOOST_TEST(counts.size() == 6u * 3u);
  BOOST_TEST(pairs.size() == 12u);
  BOOST_TEST(places.size() == 12u * 3u);
  for (index_t t = 0; t < task_count; ++t) BOOST_TEST(std::abs(tasks[task_at(t)] - 1000) < 150, name(task_at(t)));
}

BOOST_AUTO_TEST_CASE(prompts_of_training_and_held_out_ones_are_disjoint) {
  const std::size_t held_out_counts[] = {6, 6, 48, 6};  // nothing; 3 pairs; 6 counts, plain and in 7 colours; 6 colours
  for (index_t t = 0; t < task_count; ++t) {
    const auto &training = training_prompts(task_at(t)), &rest = held_out_prompts(task_at(t));
    if (t < 4) BOOST_TEST(rest.size() == held_out_counts[t], name(task_at(t)));
    BOOST_TEST(training.size() >= rest.size(), name(task_at(t)));
    if (task_at(t) == task::single_object) continue;
    for (const prompt& p : rest) BOOST_REQUIRE_MESSAGE(std::ranges::find(training, p) == training.end(), caption(p));
  }
}

BOOST_AUTO_TEST_CASE(a_held_out_scene_shows_its_prompt) {
  for (index_t t = 0; t < task_count; ++t) {
    std::set<std::string> captions;
    for (std::uint64_t n = 0; n < 96; ++n) {
      const auto [words, shown] = held_out_scene(task_at(t), seed, n);
      BOOST_TEST((task_of(words) == task_at(t)));
      BOOST_TEST(shows(words, shown.objects));
      if (task_at(t) != task::single_object) BOOST_TEST(held_out(shown), caption(words));
      captions.insert(caption(words));
    }
    BOOST_TEST(captions.size() == std::min<std::size_t>(96, held_out_prompts(task_at(t)).size()));
  }
}

BOOST_AUTO_TEST_CASE(relations_are_seen_from_the_second) {
  const object middle{shape::ring, colour::red, 0.5, 0.5, 0.1};
  const auto at = [&](double x, double y) { return object{shape::star, colour::red, x, y, 0.1}; };
  BOOST_TEST(holds(relation::left_of, at(0.2, 0.5), middle));
  BOOST_TEST(holds(relation::right_of, at(0.8, 0.4), middle));
  BOOST_TEST(holds(relation::above, at(0.5, 0.2), middle));
  BOOST_TEST(holds(relation::below, at(0.6, 0.8), middle));
  BOOST_TEST(!holds(relation::left_of, at(0.8, 0.5), middle));
  BOOST_TEST(!holds(relation::left_of, at(0.4, 0.2), middle));
  BOOST_TEST(!holds(relation::left_of, middle, middle));
  BOOST_TEST((holds(relation::left_of, at(0.2, 0.2), middle) && holds(relation::above, at(0.2, 0.2), middle)));
}

BOOST_AUTO_TEST_CASE(scores_are_shares_of_right_pictures) {
  scoreboard board;
  for (index_t t = 0; t < task_count; ++t)
    for (std::uint64_t n = 0; n < 4; ++n) {
      // Of task t, all pictures are right at t = 0, and none from t = 4 on.
      const auto [words, shown] = held_out_scene(task_at(t), seed, n);
      const bool spoilt = static_cast<index_t>(n) < t;
      scene drawn = shown;
      if (spoilt) drawn.objects.pop_back();
      BOOST_TEST(board.add(words, draw(drawn, 64)) == !spoilt, caption(words));
    }
  BOOST_TEST(board.asked(task::counting) == 4);
  BOOST_TEST(board.rate(task::single_object) == 1.0);
  BOOST_TEST(board.rate(task::two_objects) == 0.75);
  BOOST_TEST(board.rate(task::colour_attribution) == 0.0);
  BOOST_TEST(std::abs(board.overall() - (1 + 0.75 + 0.5 + 0.25) / 6) < 1e-12);
  check_throws<tf::config_error>([] { scoreboard{}.overall(); }, {"single object", "found 0"});
}

BOOST_AUTO_TEST_CASE(a_caption_is_true_of_a_scene_or_not) {
  const object circle{shape::circle, colour::red, 0.25, 0.5, 0.15},
      square{shape::square, colour::blue, 0.75, 0.5, 0.15};
  const scene s{{circle, square}};
  for (const char* text : {"a red circle and a blue square", "a blue square and a circle",
                           "a circle left of a blue square", "a square right of a circle"})
    BOOST_TEST(is_true(text, s), text);
  for (const char* text : {"a red circle", "a circle right of a square", "a blue circle and a red square",
                           "two circles", "a red circle above a blue square", "red blue", ""})
    BOOST_TEST(!is_true(text, s), text);
  BOOST_TEST(is_true("two red circles", {{circle, circle}}));
  BOOST_TEST(!is_true("three red circles", {{circle, circle}}));
  BOOST_TEST(!is_true("a red circle and a blue circle", {{circle, circle}}));
}

BOOST_AUTO_TEST_CASE(an_edit_changes_what_it_says_and_nothing_else) {
  std::set<action> seen;
  for (std::uint64_t n = 0; n < 60; ++n) {
    const auto [before, asked, after] = training_edit(seed, n);
    seen.insert(asked.what);
    BOOST_TEST((!held_out(before) && !held_out(after)));
    BOOST_TEST((parse_edit(instruction(asked)) == asked), instruction(asked));
    const index_t side = sides[n % 2];
    const tf::image from = draw(before, side);
    BOOST_TEST(is_carried_out(asked, from, draw(after, side)), instruction(asked));
    BOOST_TEST(!is_carried_out(asked, from, from), instruction(asked));
    for (const scene& other : damaged(after)) {
      // A move is of any length: only of the object that is moved is another place right.
      const bool still_right = is_carried_out(asked, before, other);
      if (asked.what < action::move_left) BOOST_TEST(!still_right, instruction(asked));
      BOOST_TEST(is_carried_out(asked, from, draw(other, side)) == still_right, instruction(asked));
    }
    scene darker = after;
    for (double& v : darker.ground) v -= 0.3;
    BOOST_TEST(!is_carried_out(asked, from, draw(darker, side)), instruction(asked));
  }
  BOOST_TEST(seen.size() == static_cast<std::size_t>(action_count));
  for (std::uint64_t n = 0; n < 100; ++n) {
    const auto [before, asked, after] = held_out_edit(seed, n);
    BOOST_TEST(held_out(before) != held_out(after), instruction(asked));
    BOOST_TEST(is_carried_out(asked, before, after), instruction(asked));
  }
  for (const char* other : {"", "remove", "remove a square", "make the circle", "make the circle large",
                            "move the star", "move the star away", "remove the square "})
    BOOST_TEST(!parse_edit(other), "'" << other << "'");
}

BOOST_AUTO_TEST_CASE(errors_name_what_is_wrong) {
  check_throws<tf::config_error>([] { draw({}, 8); }, {"side", "found 8", "16 to 4096"});
  check_throws<tf::config_error>(
      [] {
        draw({{{shape::star, colour::red, 0.05, 0.5, 0.2}}}, 32);
      },
      {"star", "(0.05, 0.5)", "wholly inside"});
  check_throws<tf::config_error>([] { caption({{}}); }, {"nouns", "found 0"});
  check_throws<tf::config_error>([] { caption({{{shape::star}}, 5}); }, {"count", "found 5", "1 to 4"});
  check_throws<tf::config_error>([] { caption({{{shape::star}, {shape::ring}}, 2}); }, {"count of two nouns"});
  check_throws<tf::config_error>([] { caption({{{shape::star}}, {}, relation::above}); }, {"relation of one noun"});
  check_throws<tf::shape_error>([] { find_objects({{1, 32, 32}, std::vector<float>(1024)}); }, {"[1, 32, 32]"});
  check_throws<tf::shape_error>([] { find_objects({{3, 32, 32}, std::vector<float>(7)}); }, {"found 7"});
  tf::image broken = draw({}, 32);
  broken.values[3] = std::numeric_limits<float>::quiet_NaN();
  check_throws<tf::numeric_error>([&] { find_objects(broken); }, {"not finite"});
  check_throws<tf::config_error>(
      [] {
        is_carried_out({action::remove, {shape::ring}}, scene{}, scene{});
      },
      {"remove the ring", "found 0", "expected 1"});
}
