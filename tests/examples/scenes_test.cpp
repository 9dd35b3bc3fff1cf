// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_scenes
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "files.hpp"
#include "scenes/support/detector.hpp"
#include "scenes/support/draw.hpp"
#include "scenes/support/edit.hpp"
#include "scenes/support/edit_measure.hpp"
#include "scenes/support/edit_model.hpp"
#include "scenes/support/generate.hpp"
#include "scenes/support/harm.hpp"
#include "scenes/support/measure.hpp"
#include "scenes/support/model.hpp"
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
  // The same everywhere: the first scene, and one far on.
  const auto is = [](const captioned_scene& c, const char* words, const scene& s) {
    return caption(c.words) == words && is_close(c.shown, s);
  };
  BOOST_TEST(is(training_scene(11, 0), "a square and a star",
                {{{shape::square, colour::purple, 0.6084, 0.7557, 0.1546},
                  {shape::star, colour::purple, 0.3452, 0.2188, 0.1705}}}));
  BOOST_TEST(is(
      training_scene(11, 1000000), "a circle above a ring",
      {{{shape::circle, colour::red, 0.2999, 0.2708, 0.2314}, {shape::ring, colour::green, 0.3561, 0.7875, 0.1824}}}));
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
  // Nothing; 3 pairs; 6 counts, plain and in 7 colours; 6 colours; 24 places, plain and in colours; a sixth of the
  // pairs.
  const std::size_t held_out_counts[] = {6, 6, 48, 6, 866, 190};
  for (index_t t = 0; t < task_count; ++t) {
    const auto &training = training_prompts(task_at(t)), &rest = held_out_prompts(task_at(t));
    BOOST_TEST(rest.size() == held_out_counts[t], name(task_at(t)));
    BOOST_TEST(training.size() >= rest.size(), name(task_at(t)));
    if (task_at(t) == task::single_object) continue;
    for (const prompt& p : rest) BOOST_REQUIRE_MESSAGE(std::ranges::find(training, p) == training.end(), caption(p));
  }
}

/// Two coloured shapes, the lower shape first.
using coloured_pair = std::tuple<shape, colour, shape, colour>;
std::optional<coloured_pair> coloured_pair_of(noun a, noun b) {
  if (!a.tint || !b.tint) return {};
  if (a.kind > b.kind) std::swap(a, b);
  return coloured_pair{a.kind, *a.tint, b.kind, *b.tint};
}

BOOST_AUTO_TEST_CASE(held_out_attributions_are_in_no_training_scene_or_prompt_in_either_order) {
  std::set<coloured_pair> asked, trained;
  for (const prompt& p : held_out_prompts(task::colour_attribution))
    asked.insert(coloured_pair_of(p.nouns[0], p.nouns[1]).value());
  BOOST_TEST(asked.size() == 95u);  // each in both orders
  for (const task t : {task::colour_attribution, task::position})
    for (const prompt& p : training_prompts(t))
      if (const auto pair = coloured_pair_of(p.nouns[0], p.nouns[1])) trained.insert(*pair);
  for (std::uint64_t n = 0; n < 6000; ++n)
    if (const auto& all = training(n).objects; all.size() == 2)
      trained.insert(coloured_pair_of({all[0].kind, all[0].tint}, {all[1].kind, all[1].tint}).value());
  BOOST_TEST(trained.size() > 400u);
  for (const coloured_pair& pair : asked) BOOST_TEST(!trained.contains(pair));
}

BOOST_AUTO_TEST_CASE(a_hundred_prompts_ask_for_all_kinds_of_things) {
  std::set<relation> relations;
  std::set<shape> first, attributed;
  for (std::uint64_t n = 0; n < 100; ++n) {
    const prompt &placed = asked_prompt(task::position, n), &coloured = asked_prompt(task::colour_attribution, n);
    BOOST_TEST(!placed.nouns[0].tint);
    relations.insert(*placed.where);
    first.insert(placed.nouns[0].kind);
    attributed.insert(coloured.nouns[0].kind);
  }
  BOOST_TEST(relations.size() == 4u);
  BOOST_TEST(first.size() == 6u);
  BOOST_TEST(attributed.size() == 6u);
  const index_t counts[] = {6, 6, 6, 6, 24, 190};
  for (index_t t = 0; t < task_count; ++t) BOOST_TEST(asked_prompts(task_at(t)) == counts[t], name(task_at(t)));
}

BOOST_AUTO_TEST_CASE(something_of_another_colour_in_an_object_is_not_passed_over) {
  const object square{shape::square, colour::red, 0.4, 0.5, 0.33};
  for (const index_t side : sides)
    for (const shape kind : {shape::star, shape::cross, shape::circle})
      for (const colour tint : {colour::blue, colour::green, colour::black}) {
        const scene s{{square, {kind, tint, 0.78, 0.5, 0.14}}};
        const auto seen = read_scene(draw(s, side));
        BOOST_TEST((!seen || seen->objects.size() == 2), name(tint) << " " << name(kind) << " " << side);
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

BOOST_AUTO_TEST_CASE(a_verdict_tells_what_was_done_from_what_stayed) {
  const object circle{shape::circle, colour::red, 0.25, 0.3, 0.18},
      square{shape::square, colour::blue, 0.7, 0.72, 0.18};
  const scene before{{circle, square}};
  const auto is = [&](const edit& e, const std::vector<object>& after, const edit_verdict& expected) {
    const edit_verdict v = judge(e, before, draw({after}, 32));
    return v.carried_out == expected.carried_out && v.others_kept == expected.others_kept &&
           v.changed == expected.changed && v.coloured == expected.coloured;
  };
  const auto with = [](object o, auto member, auto value) {
    o.*member = value;
    return o;
  };
  const edit recolour{action::recolour, {shape::circle}, colour::green}, remove{action::remove, {shape::circle}},
      move{action::move_right, {shape::circle}};
  const object green = with(circle, &object::tint, colour::green), moved = with(circle, &object::x, 0.5),
               elsewhere = with(square, &object::x, 0.5);
  BOOST_TEST(is(recolour, {green, square}, {true, true, true, true}));
  BOOST_TEST(is(recolour, {circle, square}, {false, true, false, false}));
  BOOST_TEST(is(recolour, {green, elsewhere}, {false, false, true, true}));
  BOOST_TEST(is(recolour, {with(green, &object::kind, shape::star), square}, {false, true, false, true}));
  BOOST_TEST(is(recolour, {square}, {false, true, false, false}));
  BOOST_TEST(is(remove, {square}, {true, true, true, true}));
  BOOST_TEST(is(remove, {circle, square}, {false, true, false, false}));
  BOOST_TEST(is(remove, {}, {false, false, true, true}));
  BOOST_TEST(is(move, {moved, with(square, &object::x, 0.73)}, {true, true, true, true}));
  BOOST_TEST(is(move, {with(moved, &object::y, 0.32), elsewhere}, {false, false, true, true}));
  BOOST_TEST(
      is(move, {with(with(moved, &object::kind, shape::ring), &object::x, 0.45), square}, {false, true, false, true}));
  BOOST_TEST(is(move, {with(circle, &object::y, 0.5), square}, {false, true, false, false}));
}

BOOST_AUTO_TEST_CASE(documents_of_edits_are_a_clean_picture_an_instruction_and_its_result) {
  const edit_training how{.examples = 40, .epochs = 2.0, .batch = 8, .seed = seed};
  BOOST_TEST(how.steps() == 10);
  std::vector<std::pair<std::vector<float>, edited_scene>> edits;
  for (std::uint64_t n = 0; n < 40; ++n) {
    const edited_scene e = training_edit(seed, n);
    edits.emplace_back(draw(e.before, 32).values, e);
  }
  std::map<std::vector<float>, index_t> befores;
  for (index_t step = 0; step < how.steps(); ++step)
    for (const tf::document& d : edit_documents(step, how, 32)) {
      BOOST_TEST_REQUIRE(d.segments.size() == 3u);
      BOOST_TEST((!d.open_ended && d.prefix_segments == 0));
      const auto& before = std::get<tf::image>(d.segments[0]);
      const auto& after = std::get<tf::image>(d.segments[2]);
      BOOST_TEST((before.context && !after.context));
      ++befores[before.values];
      const auto own = std::ranges::find(edits, before.values, [](const auto& e) { return e.first; });
      BOOST_TEST_REQUIRE((own != edits.end()));
      BOOST_TEST(std::get<tf::text>(d.segments[1]).tokens == tokens(own->second.asked).tokens);
      BOOST_TEST(after.values == draw(own->second.after, 32).values);
      BOOST_TEST((!held_out(own->second.before) && !held_out(own->second.after)));
    }
  BOOST_TEST(befores.size() == 40u);
  for (const auto& [values, times] : befores) BOOST_TEST(times == 2);
}

BOOST_AUTO_TEST_CASE(instructions_keep_the_tokens_of_captions) {
  std::set<std::vector<tf::token_t>> all;
  std::set<tf::token_t> used;
  for (const noun& n : all_nouns())
    for (index_t a = 0; a < action_count; ++a) {
      const auto own = tokens(edit{action_at(a), n, colour::blue}).tokens;
      BOOST_TEST(own.size() == 5u);
      all.insert(own);
      used.insert(own.begin(), own.end());
    }
  BOOST_TEST(all.size() == all_nouns().size() * static_cast<std::size_t>(action_count));
  BOOST_TEST(*used.rbegin() == edit_vocabulary_size() - 1);
  const auto words = tokens(edit{action::recolour, {shape::circle, colour::red}, colour::blue}).tokens;
  BOOST_TEST(words[0] == vocabulary().size());
  BOOST_TEST(vocabulary().decode(std::vector{words[2], words[3], words[4]}) == "red circle blue");
}

BOOST_AUTO_TEST_CASE(eight_thousand_edits_are_different_ones) {
  std::set<std::tuple<std::string, double, double, double, double>> different;
  for (index_t n = 0; n < most_examples; ++n) {
    const edited_scene e = training_edit(seed, static_cast<std::uint64_t>(n));
    const object &a = e.before.objects[0], &b = e.before.objects[1];
    different.insert({instruction(e.asked), a.x, a.y, b.x, b.y});
  }
  BOOST_TEST(std::ssize(different) == most_examples);
}

BOOST_AUTO_TEST_CASE(edits_of_each_action_are_asked_for_as_often) {
  for (const combinations of : {combinations::held_out, combinations::familiar}) {
    std::map<action, index_t> asked;
    for (const edited_scene& e : asked_edits(of, 5, seed)) {
      ++asked[e.asked.what];
      BOOST_TEST((held_out(e.before) != held_out(e.after)) == (of == combinations::held_out));
    }
    BOOST_TEST(asked.size() == static_cast<std::size_t>(action_count));
    for (const auto& [what, count] : asked) BOOST_TEST(count == 5, name(what));
  }
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

BOOST_AUTO_TEST_CASE(training_documents_are_pairs_in_both_orders_without_what_is_held_out) {
  std::set<std::string> held_out_captions;
  for (index_t t = 0; t < task_count; ++t)
    if (task_at(t) != task::single_object)
      for (const prompt& p : held_out_prompts(task_at(t))) held_out_captions.insert(caption(p));
  int caption_first = 0;
  const index_t count = 50;
  for (index_t step = 0; step < 8; ++step) {
    const auto documents = training_documents(step, count, 32, seed), again = training_documents(step, count, 32, seed);
    for (std::size_t i = 0; i < documents.size(); ++i) {
      const auto& parts = documents[i].segments;
      BOOST_TEST_REQUIRE(parts.size() == 2u);
      const bool first = std::holds_alternative<tf::text>(parts[0]);
      caption_first += first;
      const auto& words = std::get<tf::text>(parts[first ? 0 : 1]);
      const auto& picture = std::get<tf::image>(parts[first ? 1 : 0]);
      BOOST_TEST(picture.values == std::get<tf::image>(again[i].segments[first ? 1 : 0]).values);
      const std::string said = vocabulary().decode(words.tokens);
      BOOST_TEST(!held_out_captions.count(said), said);
      BOOST_TEST(is_right(parse(said).value(), picture), said);
    }
  }
  BOOST_TEST(std::abs(caption_first - 320) < 40);  // four fifths of 400, five deviations
}

BOOST_AUTO_TEST_CASE(perfect_drawings_and_captions_count_as_right) {
  for (index_t t = 0; t < task_count; ++t) {
    std::vector<drawn_picture> drawn;
    std::vector<told_scene> told;
    for (std::uint64_t n = 0; n < 20; ++n) {
      const captioned_scene c = held_out_scene(task_at(t), seed, n);
      drawn.push_back({c.words, draw(c.shown, 32)});
      told.push_back({c.shown, vocabulary().decode(tokens(c.words).tokens)});
    }
    BOOST_TEST(share_right(drawn).value == 1);
    BOOST_TEST(share_true(told).value == 1);
    for (std::size_t i = 0; i + 1 < drawn.size(); ++i) std::swap(drawn[i].asked, drawn[i + 1].asked);
    for (told_scene& one : told) one.words += " and";
    BOOST_TEST(share_right(drawn).value < 1);
    BOOST_TEST(share_true(told).value == 0);
  }
}

/// A model of a moment.
training_settings tiny(index_t steps, index_t pairs) {
  training_settings s;
  s.steps = steps;
  s.pairs = pairs;
  s.layers = 1;
  s.width = 32;
  s.heads = 2;
  s.patch = 8;
  return s;
}

BOOST_AUTO_TEST_CASE(a_model_of_scenes_is_trained_kept_and_measured) {
  const files::temporary_folder at;
  support::cpu_policy exec(1);
  training_settings how = tiny(2, 4);
  BOOST_TEST(train(exec, how, at / "m.safetensors", at / "m.csv").pictures == 8);
  const auto found = load(exec, at / "m.safetensors");
  BOOST_TEST(found.side == 32);
  const measuring few{.each = 6, .steps = 2};
  const auto drawn = draw_task(found, task::colours, few);
  BOOST_TEST(drawn.size() == 6u);
  BOOST_TEST((drawn[1].asked == asked_prompt(task::colours, 1)));
  BOOST_TEST((drawn[0].picture.shape == tf::image_shape{3, 32, 32}));
  BOOST_TEST(tell_task(found, task::counting, few).size() == 6u);
  how.resume = true;
  check_throws<tf::config_error>([&] { train(exec, how, at / "m.safetensors", at / "m.csv"); },
                                 {"--steps: found 2", "more than the 2"});
}

BOOST_AUTO_TEST_CASE(a_model_of_scenes_is_fine_tuned_on_edits_resumed_and_measured) {
  const files::temporary_folder at;
  const auto base = at / "base.safetensors", edits = at / "edits.safetensors", log = at / "edits.csv";
  support::cpu_policy exec(1);
  edit_training how{.examples = 16, .epochs = 1, .batch = 8, .rate = 1e-9};
  check_throws<tf::config_error>([&] { fine_tune(exec, base, how, edits, log); },
                                 {"--base: found no file", "base.safetensors", "scenes_train"});
  train(exec, tiny(1, 2), base, log);
  BOOST_TEST(fine_tune(exec, base, how, edits, log).steps == 2);
  const auto before = load(exec, base), after = load(exec, edits, edit_vocabulary_size());
  BOOST_TEST(after.side == 32);
  const measuring few{.each = 2, .steps = 2, .guidance = 2, .image_guidance = 1.5};
  // At next to no rate it is the base model with more tokens.
  const auto drawn = draw_task(before, task::colours, few), same = draw_task(after, task::colours, few);
  for (std::size_t i = 0; i < drawn[0].picture.values.size(); ++i)
    BOOST_REQUIRE_SMALL(drawn[0].picture.values[i] - same[0].picture.values[i], 1e-3f);
  const auto edited = draw_edits(after, combinations::held_out, few);
  BOOST_TEST(edited.size() == 12u);
  BOOST_TEST(of_action(action::remove, edited).size() == 2u);
  for (const drawn_edit& d : edited)
    BOOST_TEST(d.verdict.carried_out == is_carried_out(d.asked.asked, draw(d.asked.before, 32), d.picture));
  const auto share = share_of(&edit_verdict::carried_out, edited);
  BOOST_TEST((share.value >= 0 && share.value <= 1));

  check_throws<tf::format_error>([&] { fine_tune(exec, edits, how, base, log); },
                                 {"vocabulary: found " + std::to_string(edit_vocabulary_size())});
  how.resume = true;
  check_throws<tf::config_error>([&] { fine_tune(exec, base, how, edits, log); }, {"found 2", "more than the 2"});
  how.epochs = 1.5;
  const auto done = fine_tune(exec, base, how, edits, log);
  BOOST_TEST(done.steps == 3);
  BOOST_TEST(done.pictures == 8);
  for (const auto& [wrong, words] : {std::pair{edit_training{.examples = 8001}, "--examples: found 8001"},
                                     {edit_training{.epochs = 0}, "--epochs: found 0"},
                                     {edit_training{.batch = 0}, "--batch: found 0"}})
    check_throws<tf::config_error>([&] { fine_tune(exec, base, wrong, edits, log); }, {words, "expected"});
  files::put(at / "none.safetensors", "no model");
  check_throws<tf::format_error>([&] { fine_tune(exec, at / "none.safetensors", how, edits, log); },
                                 {"none.safetensors"});
}
