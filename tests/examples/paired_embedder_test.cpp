// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_paired_embedder
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "examples/files.hpp"
#include "scenes/support/fit.hpp"
#include "scenes/support/score.hpp"
#include "support/paired_embedder.hpp"
#include "transfusion/metric/similarity.hpp"

namespace tf = transfusion;
using support::captioned_picture;
using support::paired_embedder;
using tf::index_t;

namespace {

constexpr index_t side = 16, colours = 3, places = 4, kinds = colours * places;

support::embedder_options small() {
  return {.picture = {3, side, side}, .vocabulary = 8, .words = 2, .channels = {8, 16}, .width = 32, .features = 16};
}

/// A square of one of three colours in one of four corners, on a ground of noise, and "colour corner".
captioned_picture coloured_square(index_t kind, std::uint64_t number) {
  const index_t colour = kind % colours, place = kind / colours;
  captioned_picture p{{small().picture, {}}, {static_cast<tf::token_t>(colour), static_cast<tf::token_t>(3 + place)}};
  const tf::random_key key{number, 1, tf::stream::test};
  const index_t x = place % 2 * 8 + key.below(0, 3), y = place / 2 * 8 + key.below(1, 3);
  for (index_t c = 0; c < 3; ++c)
    for (index_t row = 0; row < side; ++row)
      for (index_t col = 0; col < side; ++col) {
        const bool inside = row >= y && row < y + 5 && col >= x && col < x + 5;
        const auto at = static_cast<std::uint64_t>(100 + p.picture.values.size());
        p.picture.values.push_back(inside ? (c == colour ? 1.0f : -1.0f) : static_cast<float>(0.3 * key.uniform(at)));
      }
  return p;
}

/// Every kind once.
std::vector<captioned_picture> one_of_each(index_t step) {
  std::vector<captioned_picture> all;
  for (index_t kind = 0; kind < kinds; ++kind)
    all.push_back(coloured_square(kind, static_cast<std::uint64_t>(step * kinds + kind)));
  return all;
}

struct both {
  std::vector<float> pictures, captions;
};

both embedded(paired_embedder& e, const std::vector<captioned_picture>& pairs) {
  std::vector<tf::image> pictures;
  std::vector<std::vector<tf::token_t>> captions;
  for (const auto& p : pairs) pictures.push_back(p.picture), captions.push_back(p.caption);
  return {e.embed(pictures), e.embed(captions)};
}

double recall(const both& b) {
  const index_t width = std::ssize(b.pictures) / kinds;
  return tf::retrieval_recall(tf::view<const float, 2>(b.pictures.data(), kinds, width),
                              tf::view<const float, 2>(b.captions.data(), kinds, width))
      .mean;
}

constexpr support::embedder_training quick{.steps = 60, .rate = 3e-3, .quiet = true};
constexpr index_t held_out = 1000000;  // a step that no training reaches

}  // namespace

BOOST_AUTO_TEST_CASE(finds_the_captions_of_squares_never_seen_and_comes_back_from_its_file) {
  paired_embedder e(1, small(), 1);
  const auto unseen = one_of_each(held_out);
  BOOST_TEST(recall(embedded(e, unseen)) < 0.5);
  BOOST_TEST(e.train(one_of_each, quick) < 0.3);
  const auto found = embedded(e, unseen);
  BOOST_TEST(recall(found) == 1);

  const files::temporary_folder folder;
  e.save(folder / "embedder.safetensors");
  paired_embedder again(1, folder / "embedder.safetensors");
  BOOST_TEST(again.options().words == 2);
  const auto read = embedded(again, unseen);
  BOOST_TEST((read.pictures == found.pictures && read.captions == found.captions));
}

BOOST_AUTO_TEST_CASE(is_a_function_of_its_seed) {
  constexpr support::embedder_training short_run{.steps = 3, .rate = 3e-3, .quiet = true};
  const auto trained = [&](int threads, std::uint64_t seed) {
    paired_embedder e(threads, small(), seed);
    e.train(one_of_each, short_run);
    return embedded(e, one_of_each(held_out)).pictures;
  };
  const auto first = trained(1, 1);
  BOOST_TEST((trained(2, 1) == first));
  BOOST_TEST((trained(1, 2) != first));
}

// Alone or among many, more than go through at a time: the same vector.
BOOST_AUTO_TEST_CASE(an_embedding_depends_on_nothing_beside_it) {
  paired_embedder e(1, small(), 1);
  const tf::image one = coloured_square(5, 7).picture;
  std::vector<tf::image> many(300, coloured_square(2, 3).picture);
  many.back() = one;
  const auto all = e.embed(many), alone = e.embed(std::vector<tf::image>{one});
  BOOST_TEST(std::equal(alone.begin(), alone.end(), all.end() - std::ssize(alone)));
  BOOST_TEST(e.embed(std::vector<tf::image>{}).empty());
}

BOOST_AUTO_TEST_CASE(refuses_what_does_not_fit) {
  paired_embedder e(1, small(), 1);
  using captions = std::vector<std::vector<tf::token_t>>;
  files::check_throws<tf::config_error>([&] { e.embed(captions{{1, 2, 3}}); }, {"found 3 tokens", "at most 2"});
  files::check_throws<tf::config_error>([&] { e.embed(captions{{1, 8}}); }, {"found token 8", "0 to 7"});
  files::check_throws<tf::shape_error>(
      [&] {
        e.embed(std::vector<tf::image>{{{3, 8, 8}, {}}});
      },
      {"found 3 x 8 x 8", "expected 3 x 16 x 16"});
  auto none = small();
  none.words = 0;
  files::check_throws<tf::config_error>([&] { paired_embedder(1, none, 1); }, {"words: found 0"});
  none = small();
  none.channels = {8, -1};
  files::check_throws<tf::config_error>([&] { paired_embedder(1, none, 1); }, {"channels: found -1"});
  none = small();
  none.picture.depth = 2;
  files::check_throws<tf::config_error>([&] { paired_embedder(1, none, 1); }, {"depth: found 2, expected 1"});
  const auto no_pairs = [](index_t) { return std::vector<captioned_picture>(); };
  files::check_throws<tf::config_error>([&] { e.train(no_pairs, quick); }, {"step 0", "found no pairs"});
}

BOOST_AUTO_TEST_CASE(refuses_files_of_something_else) {
  const files::temporary_folder folder;
  const auto path = folder / "other.safetensors";
  const auto write = [&](std::map<std::string, std::string> metadata) {
    tf::safetensors_writer(path, {}, std::move(metadata)).commit();
  };
  const auto read = [&] { paired_embedder(1, path); };
  write({});
  files::check_throws<tf::format_error>(read, {path.string(), "is this a paired embedder?"});
  write({{"paired_embedder", "[]"}});
  files::check_throws<tf::format_error>(read, {"found [], expected a JSON object"});
  write({{"paired_embedder", R"({"picture_channels": 3})"}});
  files::check_throws<tf::format_error>(read, {"height: found no such field"});
  write({{"paired_embedder", R"({"picture_channels": 3, "height": 0, "width": 8, "vocabulary": 9, "words": 2,
                                "channels": [4], "hidden": 8, "features": 4})"}});
  files::check_throws<tf::format_error>(read, {path.string(), "height: found 0"});
  write({{"paired_embedder", R"({"picture_channels": 3, "height": 8, "width": 8, "vocabulary": 9, "words": 2,
                                "channels": [4], "hidden": 8, "features": 4})"}});
  files::check_throws<tf::format_error>(read, {"picture.convolution.0.weight", "found none"});
}

namespace {

/// What is asked for, `each` of every task, and pictures of nothing.
std::vector<std::vector<scenes::drawn_picture>> asked_for(index_t each) {
  std::vector<std::vector<scenes::drawn_picture>> all;
  for (index_t t = 0; t < scenes::task_count; ++t) {
    auto& pictures = all.emplace_back();
    for (index_t i = 0; i < each; ++i)
      pictures.push_back({asked_prompt(scenes::task_at(t), static_cast<std::uint64_t>(i)), {}});
  }
  return all;
}

}  // namespace

BOOST_AUTO_TEST_CASE(each_prompt_is_compared_once_and_tasks_take_turns) {
  const auto asked = asked_for(40);
  std::set<std::string> prompts, chosen;
  for (const auto& pictures : asked)
    for (const auto& p : pictures) prompts.insert(caption(p.asked));
  const auto all = different_prompts(asked, 1000), few = different_prompts(asked, 9);
  for (const auto& p : all) chosen.insert(caption(p.asked));
  BOOST_TEST((chosen == prompts));
  BOOST_TEST(all.size() == prompts.size());
  BOOST_REQUIRE(few.size() == 9u);
  for (std::size_t i = 0; i < few.size(); ++i) BOOST_TEST((few[i].asked == asked[i % 6][i / 6].asked));
}

BOOST_AUTO_TEST_CASE(an_embedder_of_scenes_tells_true_pictures_from_exchanged_ones) {
  const files::temporary_folder folder;
  const std::string path = folder / "embedder.safetensors";
  const auto embedder = scenes::scene_embedder({.save_to = path, .steps = 120, .pairs = 16, .quiet = true}, 32, 1);
  const auto shown = scenes::true_pictures(different_prompts(asked_for(10), 30), 32, 1);
  auto exchanged = shown;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    BOOST_TEST(is_right(shown[i].asked, shown[i].picture));
    exchanged[i].picture = shown[(i + 1) % shown.size()].picture;
  }
  const auto fit = fit_of(*embedder, shown), unfit = fit_of(*embedder, exchanged);
  BOOST_TEST_MESSAGE(fit.similarity.low << " against " << unfit.similarity.high << ", recall at 5 "
                                        << fit.recall_5.value << " against " << unfit.recall_5.value);
  BOOST_TEST(fit.similarity.low > unfit.similarity.high);
  BOOST_TEST(fit.recall_5.value > unfit.recall_5.value);
  BOOST_TEST(fit.recall_5.value >= fit.recall_1.value);

  const auto again = scenes::scene_embedder({.file = path}, 32, 1);
  BOOST_TEST(fit_of(*again, shown).similarity.value == fit.similarity.value);
  files::check_throws<tf::format_error>([&] { scenes::scene_embedder({.file = path}, 64, 1); },
                                        {path, "found pictures of 32 x 32", "expected 64 x 64"});
}
