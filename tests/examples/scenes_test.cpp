// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_scenes
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <set>

#include "scenes/support/detector.hpp"
#include "scenes/support/draw.hpp"
#include "scenes/support/edit.hpp"
#include "scenes/support/generate.hpp"
#include "scenes/support/score.hpp"
#include "transfusion/core/error.hpp"

using namespace scenes;

namespace {

constexpr std::uint64_t seed = 11;
constexpr index_t sides[] = {32, 64};

/// Whether the same objects stand in the same places, to what can be told from pixels.
bool same_objects(const scene& found, const scene& drawn) {
  if (found.objects.size() != drawn.objects.size()) return false;
  return std::ranges::all_of(drawn.objects, [&](const object& o) {
    return std::ranges::any_of(found.objects, [&](const object& f) {
      return f.kind == o.kind && f.tint == o.tint && std::hypot(f.x - o.x, f.y - o.y) < 0.02 &&
             std::abs(f.radius - o.radius) < 0.02;
    });
  });
}

bool is_read(const tf::image& picture, const scene& drawn) {
  const auto found = read_scene(picture);
  return found && same_objects(*found, drawn);
}

/// Of the first `count` training scenes, how many are read after `harm`.
template <class Harm>
double share_read(index_t side, std::uint64_t count, Harm harm) {
  double right = 0;
  for (std::uint64_t n = 0; n < count; ++n) {
    const scene s = training_scene(seed, n).shown;
    tf::image picture = draw(s, side);
    harm(picture, n);
    right += is_read(picture, s);
  }
  return right / static_cast<double>(count);
}

void add_noise(tf::image& picture, std::uint64_t number, double deviation) {
  const tf::random_key key{seed, static_cast<std::uint32_t>(number), tf::stream::test};
  for (std::size_t i = 0; i < picture.values.size(); i += 4) {  // sides are multiples of 4
    double drawn[4];
    tf::normal_block(key, i / 4, drawn);
    for (std::size_t k = 0; k < 4; ++k) picture.values[i + k] += static_cast<float>(deviation * drawn[k]);
  }
}

void blur(tf::image& picture) {
  const tf::image sharp = picture;
  const index_t side = picture.shape.width;
  const auto at = [&](index_t c, index_t y, index_t x) {
    y = std::clamp<index_t>(y, 0, side - 1);
    x = std::clamp<index_t>(x, 0, side - 1);
    return sharp.values[static_cast<std::size_t>((c * side + y) * side + x)];
  };
  for (index_t i = 0; i < picture.shape.size(); ++i) {
    const index_t c = i / (side * side), y = i / side % side, x = i % side;
    float sum = 0;
    for (index_t dy = -1; dy <= 1; ++dy)
      for (index_t dx = -1; dx <= 1; ++dx) sum += at(c, y + dy, x + dx);
    picture.values[static_cast<std::size_t>(i)] = sum / 9;
  }
}

/// Every prompt of a task, training or not.
std::vector<prompt> prompts_of(task t) {
  std::vector<prompt> all = training_prompts(t);
  all.insert(all.end(), held_out_prompts(t).begin(), held_out_prompts(t).end());
  return all;
}

}  // namespace

// The detector sees pixels only; what it reads is what was drawn.
BOOST_AUTO_TEST_CASE(clean_scenes_are_read_exactly) {
  for (const index_t side : sides)
    BOOST_TEST(share_read(side, 1000, [](tf::image&, std::uint64_t) {}) >= 0.999, "side " << side);
}

// What a model draws is not clean. Deviations are of the full range from -1 to 1.
BOOST_AUTO_TEST_CASE(scenes_are_read_through_noise_blur_and_shifted_colours) {
  for (const index_t side : sides) {
    BOOST_TEST(share_read(side, 100, [](tf::image& p, std::uint64_t n) { add_noise(p, n, 0.2); }) >= 0.95);
    BOOST_TEST(share_read(side, 100, [](tf::image& p, std::uint64_t) { blur(p); }) >= 0.95);
    BOOST_TEST(share_read(side, 100, [](tf::image& p, std::uint64_t) {
                 for (float& v : p.values) v = 0.9F * v + 0.05F;
               }) >= 0.98);
  }
}

BOOST_AUTO_TEST_CASE(a_scene_that_is_harmed_is_another_one) {
  index_t harmed = 0;
  for (std::uint64_t n = 0; n < 150; ++n) {
    const auto [words, shown] = training_scene(seed, n);
    scene erased = shown, recoloured = shown, reshaped = shown;
    erased.objects.pop_back();
    object& first = recoloured.objects.front();
    first.tint = colour_at((static_cast<index_t>(first.tint) + 3) % colour_count);
    object& last = reshaped.objects.back();
    last.kind = shape_at((static_cast<index_t>(last.kind) + 2) % shape_count);
    for (const scene& other : {erased, recoloured, reshaped}) {
      BOOST_TEST(!is_read(draw(other, 64), shown));
      ++harmed;
    }
    BOOST_TEST(!is_right(words, draw(erased, 64)));
  }
  BOOST_TEST(harmed == 450);
}

BOOST_AUTO_TEST_CASE(half_an_object_is_none) {
  for (const index_t side : sides) {
    const scene s{{{shape::square, colour::blue, 0.5, 0.5, 0.25}}};
    tf::image picture = draw(s, side);
    const auto ground = static_cast<float>(s.ground[0]);
    for (index_t c = 0; c < 3; ++c)
      for (index_t y = 0; y < side; ++y)
        for (index_t x = 0; x < side; ++x)
          if (x > y) picture.values[static_cast<std::size_t>((c * side + y) * side + x)] = ground;
    const auto found = read_scene(picture);
    BOOST_TEST((!found || found->objects[0].kind != shape::square));
  }
}

BOOST_AUTO_TEST_CASE(an_empty_picture_has_no_objects) { BOOST_TEST(find_objects(draw({}, 32)).empty()); }

BOOST_AUTO_TEST_CASE(captions_and_prompts_are_the_same_thing) {
  std::set<std::string> texts;
  std::size_t count = 0;
  for (index_t t = 0; t < task_count; ++t)
    for (const prompt& p : prompts_of(task_at(t))) {
      if (task_at(t) == task::single_object && count >= static_cast<std::size_t>(shape_count)) break;  // both lists
      const std::string text = caption(p);
      const auto back = parse(text);
      BOOST_REQUIRE_MESSAGE(back && *back == p, text);
      BOOST_TEST((task_of(p) == task_at(t)), text);
      texts.insert(text);
      ++count;
    }
  BOOST_TEST(texts.size() == count);
  BOOST_TEST(texts.contains("an orange star"));
  for (const char* text : {"", " ", "a", "a red", "a circle ", "a orange star", "two circle", "one circles",
                           "five stars", "a circle and", "and a circle", "a red circle left a square", "A circle"})
    BOOST_TEST(!parse(text), "'" << text << "'");
}

BOOST_AUTO_TEST_CASE(what_is_held_out_is_in_no_training_scene_but_its_parts_are) {
  std::set<std::pair<shape, colour>> coloured;
  std::set<std::pair<index_t, shape>> counted;
  for (std::uint64_t n = 0; n < 4000; ++n) {
    const auto [words, shown] = training_scene(seed, n);
    BOOST_REQUIRE(!held_out(shown));
    BOOST_REQUIRE(well_placed(shown));
    BOOST_REQUIRE(shows(words, shown.objects));
    for (const object& o : shown.objects) coloured.insert({o.kind, o.tint});
    if (words.count) counted.insert({*words.count, words.nouns[0].kind});
  }
  BOOST_TEST(coloured.size() == static_cast<std::size_t>(shape_count * (colour_count - 1)));
  BOOST_TEST(counted.size() == static_cast<std::size_t>(shape_count * (most_counted - 1)));
  for (index_t t = 1; t < task_count; ++t) {
    const auto& training = training_prompts(task_at(t));
    BOOST_TEST(!held_out_prompts(task_at(t)).empty());
    for (const prompt& p : held_out_prompts(task_at(t))) BOOST_TEST((std::ranges::find(training, p) == training.end()));
  }
}

BOOST_AUTO_TEST_CASE(a_held_out_scene_shows_its_prompt) {
  for (index_t t = 0; t < task_count; ++t)
    for (std::uint64_t n = 0; n < 100; ++n) {
      const auto [words, shown] = held_out_scene(task_at(t), seed, n);
      BOOST_TEST((task_of(words) == task_at(t)));
      BOOST_TEST(shows(words, shown.objects));
      if (task_at(t) != task::single_object) BOOST_TEST(held_out(shown), caption(words));
    }
}

BOOST_AUTO_TEST_CASE(a_scene_is_a_function_of_seed_and_number) {
  const auto a = training_scene(seed, 7), again = training_scene(seed, 7), next = training_scene(seed, 8);
  BOOST_TEST((a.shown == again.shown && a.words == again.words));
  BOOST_TEST((a.shown != next.shown));
  BOOST_TEST((a.shown != training_scene(seed + 1, 7).shown));
  BOOST_TEST(draw(a.shown, 32).values == draw(again.shown, 32).values);
}

// A model that draws what is asked gets full marks; one that draws something else gets none.
BOOST_AUTO_TEST_CASE(the_six_tasks_are_judged) {
  scoreboard right, wrong;
  for (index_t t = 0; t < task_count; ++t)
    for (std::uint64_t n = 0; n < 20; ++n) {
      const auto [words, shown] = held_out_scene(task_at(t), seed, n);
      const auto [other_words, other] = held_out_scene(task_at((t + 1) % task_count), seed, n);
      right.add(words, draw(shown, 64));
      if (!shows(words, other.objects)) wrong.add(words, draw(other, 64));
    }
  BOOST_TEST(right.overall() == 1.0);
  BOOST_TEST(wrong.overall() == 0.0);
  BOOST_TEST(right.asked(task::counting) == 20);
  BOOST_CHECK_THROW(scoreboard{}.overall(), tf::config_error);
}

BOOST_AUTO_TEST_CASE(a_caption_is_true_or_not) {
  const object left{shape::circle, colour::red, 0.25, 0.5, 0.15}, right{shape::square, colour::blue, 0.75, 0.5, 0.15};
  const scene s{{left, right}};
  for (const char* text : {"a red circle and a blue square", "a circle left of a blue square",
                           "a square right of a circle", "a square and a circle"})
    BOOST_TEST(is_true(text, s), text);
  for (const char* text : {"a red circle", "a circle right of a square", "a blue circle and a red square",
                           "two circles", "a red circle above a blue square", "nonsense"})
    BOOST_TEST(!is_true(text, s), text);
}

BOOST_AUTO_TEST_CASE(edits_are_judged) {
  double seen = 0;
  constexpr std::uint64_t count = 200;
  for (std::uint64_t n = 0; n < count; ++n) {
    const auto [before, asked, after] = training_edit(seed, n);
    BOOST_TEST(!held_out(before));
    BOOST_TEST(!held_out(after));
    const auto back = parse_edit(instruction(asked));
    BOOST_REQUIRE_MESSAGE(back && *back == asked, instruction(asked));
    BOOST_TEST(is_carried_out(asked, before, after), instruction(asked));
    BOOST_TEST(!is_carried_out(asked, before, before), instruction(asked));
    scene more = after;  // the change, and another one
    more.ground[0] -= 0.5;
    BOOST_TEST(!is_carried_out(asked, before, more));
    seen += is_carried_out(asked, draw(before, 64), draw(after, 64));
  }
  BOOST_TEST(seen / count >= 0.99);
  for (std::uint64_t n = 0; n < 100; ++n) {
    const auto [before, asked, after] = held_out_edit(seed, n);
    BOOST_TEST(held_out(before) != held_out(after));
  }
  for (const char* text :
       {"", "remove", "remove a square", "make the circle", "make the circle large", "move the star"})
    BOOST_TEST(!parse_edit(text), text);
}

BOOST_AUTO_TEST_CASE(errors_name_what_is_wrong) {
  BOOST_CHECK_THROW(draw({}, 8), tf::config_error);
  BOOST_CHECK_THROW(draw({{{shape::star, colour::red, 0.05, 0.5, 0.2}}}, 32), tf::config_error);
  BOOST_CHECK_THROW(caption({}), tf::config_error);
  BOOST_CHECK_THROW(caption({{{shape::star}}, 5, {}}), tf::config_error);
  BOOST_CHECK_THROW(find_objects({{1, 32, 32}, std::vector<float>(1024)}), tf::shape_error);
  tf::image broken = draw({}, 32);
  broken.values[3] = std::numeric_limits<float>::quiet_NaN();
  BOOST_CHECK_THROW(find_objects(broken), tf::numeric_error);
  BOOST_CHECK_THROW(is_carried_out({action::remove, {shape::ring}}, scene{}, scene{}), tf::config_error);
}
