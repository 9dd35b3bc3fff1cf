// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE generate_edit
#include <boost/test/unit_test.hpp>

#include "generate/plain_generator.hpp"
#include "transfusion/diffusion/solver/rk45.hpp"
#include "transfusion/exec/reference.hpp"

using namespace generate_test;

namespace {

using fixture_type = fixture<tf::reference_exec<double>>;

tf::image picture(tf::index_t channels = 1) {
  tf::image im{{channels, 4, 4}, {}};
  for (tf::index_t i = 0; i < im.shape.size(); ++i)
    im.values.push_back(0.9f * std::sin(1.7f * static_cast<float>(i) + 0.3f));
  return im;
}

/// The upper rows of the picture: some values of each of the first rows of patches.
std::vector<char> upper(tf::index_t rows = 2) {
  std::vector<char> keep(16);
  for (tf::index_t i = 0; i < 4 * rows; ++i) keep[static_cast<std::size_t>(i)] = i % 5 != 2;
  return keep;
}

tf::generation_request editing(double from_time, std::vector<char> keep = {}, std::uint64_t seed = 1) {
  return {prompt({tf::text{{5, 6}}}), true, seed, 0, tf::image_edit{picture(), from_time, std::move(keep)}};
}
tf::generation_request drawing(std::uint64_t seed = 1) { return {prompt({tf::text{{5, 6}}}), true, seed}; }

std::vector<float> only_image(const std::vector<tf::generated_document>& found) {
  return images(found.at(0).content).at(0);
}

}  // namespace

BOOST_AUTO_TEST_CASE(edits_are_those_of_the_algorithm_without_a_cache) {
  fixture_type f;
  check_against_plain(f.model, small(0), {editing(0.5), editing(0.83, upper()), editing(1, upper(), 3)}, 1e-6);
  check_against_plain(f.model, small(3, 2), {editing(0.5, upper())}, 1e-6);  // and text and another image after it
}

BOOST_AUTO_TEST_CASE(what_is_kept_is_the_given_image_to_the_bit) {
  fixture<tf::cpu_exec<float>> f;
  for (double from_time : {0.001, 0.4, 1.0}) {
    BOOST_TEST(only_image(f(small(0), {editing(from_time, std::vector<char>(16, 1))})) == picture().values,
               boost::test_tools::per_element());
    const auto found = only_image(f(small(0), {editing(from_time, upper())}));
    tf::index_t same = 0;
    for (std::size_t i = 0; i < 16; ++i) {
      if (upper()[i]) BOOST_TEST(found[i] == picture().values[i]);
      same += found[i] == picture().values[i];
    }
    BOOST_TEST(same < 16);
  }
}

BOOST_AUTO_TEST_CASE(what_is_kept_shows_in_the_rest) {
  fixture_type f;
  const auto free = only_image(f(small(0), {drawing()})), held = only_image(f(small(0), {editing(1, upper())}));
  double worst = 0;
  for (std::size_t i = 8; i < 16; ++i) worst = std::fmax(worst, std::abs(free[i] - held[i]));
  BOOST_TEST(worst > 1e-3);
}

BOOST_AUTO_TEST_CASE(keeping_nothing_is_no_keeping) {
  fixture_type f;
  const auto options = small(0);
  const std::vector<char> nothing(16, 0);
  BOOST_TEST(only_image(f(options, {editing(1, nothing)})) == only_image(f(options, {drawing()})));
  BOOST_TEST(only_image(f(options, {editing(1)})) == only_image(f(options, {drawing()})));
  BOOST_TEST(only_image(f(options, {editing(0.4, nothing)})) == only_image(f(options, {editing(0.4)})));
  BOOST_TEST(only_image(f(options, {editing(0.4)})) != only_image(f(options, {drawing()})));
}

BOOST_AUTO_TEST_CASE(an_image_from_a_late_time_is_about_the_given_one) {
  fixture_type f;
  const auto far = [&](double from_time) {
    return distance(only_image(f(small(0), {editing(from_time)})), picture().values);
  };
  BOOST_TEST(far(1e-6) < 1e-3);
  BOOST_TEST(far(1e-6) > 0);
  BOOST_TEST(far(1e-3) < 0.05);
  BOOST_TEST(far(0.9) > 0.1);
}

BOOST_AUTO_TEST_CASE(only_the_times_from_there_on_are_walked) {
  fixture_type f;
  tf::generator generator(f.model, small(0));  // at 1, 0.8, … 0.001, 0
  for (const auto& [from_time, expected] : {std::pair{1.0, 6}, {0.81, 6}, {0.7, 5}, {0.0005, 1}}) {
    tf::index_t last = 0;
    generator({editing(from_time)}, [&](tf::index_t, tf::index_t step, const std::vector<double>&) { last = step; });
    BOOST_TEST(last == expected, from_time);
  }
}

BOOST_AUTO_TEST_CASE(edits_and_drawings_together_equal_each_alone) {
  fixture_type f;
  const std::vector<tf::generation_request> asked = {editing(0.4, upper()), drawing(2), editing(0.4, {}, 3),
                                                     editing(1, upper(3)), editing(0.9, {}, 4)};
  const auto together = f(small(4, 2), asked);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto alone = f(small(4, 2), {asked[i]});
    BOOST_TEST_CONTEXT("request " << i) {
      BOOST_TEST(form(together[i].content) == form(alone[0].content));
      BOOST_TEST(words(together[i].content) == words(alone[0].content), boost::test_tools::per_element());
      BOOST_TEST(distance_of_images(together[i].content, alone[0].content) < 1e-6);
    }
  }
}

namespace {

struct adaptive : tf::paper {
  using solver = tf::solver::rk45;
};

}  // namespace

BOOST_AUTO_TEST_CASE(steps_of_a_solver_s_own_keep_their_slope_only_where_nothing_was_changed) {
  fixture<tf::reference_exec<double>, adaptive> f;
  stir(f.model, 4, 0.2);  // dozens of steps: the flow must not blow up roundings
  auto options = small(0);
  options.guidance = 1;
  check_against_plain(f.model, options, {editing(0.6, upper())}, 1e-6);
  check_against_plain(f.model, options, {editing(0.6)}, 1e-6);
}

BOOST_AUTO_TEST_CASE(a_place_is_kept_in_all_channels) {
  tf::cpu_exec<float> exec;
  auto sizes = toy_sizes;
  sizes.codec.channels = 2;
  tf::model<tf::paper, tf::cpu_exec<float>> model(exec, sizes, 1);
  stir(model, 4);
  auto options = small(0);
  options.image = {2, 4, 4};
  const auto drawn = [&](std::vector<char> keep) {
    return only_image(
        tf::generator(model, options)({{prompt({}), true, 1, 0, tf::image_edit{picture(2), 0.7, std::move(keep)}}}));
  };
  auto both = upper();
  const auto by_place = drawn(both);
  both.insert(both.end(), both.begin(), both.begin() + 16);
  BOOST_TEST(by_place == drawn(both), boost::test_tools::per_element());
  for (std::size_t i = 0; i < 32; ++i)
    if (both[i]) BOOST_TEST(by_place[i] == picture(2).values[i]);
}

BOOST_AUTO_TEST_CASE(edits_that_do_not_fit_are_refused) {
  fixture_type f;
  const auto refused = [&]<class Error>(Error*, auto change, const std::vector<std::string>& words) {
    auto request = editing(0.5, upper());
    change(request);
    fails_saying<Error>([&] { f(small(0), {request}); }, words);
  };
  using r = tf::generation_request;
  constexpr tf::config_error* config = nullptr;
  constexpr tf::shape_error* shape = nullptr;
  refused(config, [](r& x) { x.begin_image = false; }, {"request 0", "edit", "begin_image"});
  refused(config, [](r& x) { x.edit->from_time = 0; }, {"from_time", "found 0"});
  refused(config, [](r& x) { x.edit->from_time = 1.01; }, {"from_time", "found 1.01"});
  refused(shape, [](r& x) { x.edit->keep.pop_back(); }, {"keep", "found 15", "expected 16"});
  refused(shape, [](r& x) { x.edit->given.values.pop_back(); }, {"edit", "15", "16"});
  refused(shape, [](r& x) { x.edit->given = toy_image(0, 4, 6), x.edit->keep = {}; }, {"request 0", "4 x 6", "4 x 4"});
  refused(shape, [](r& x) { x.edit->given.modality = 1; }, {"request 0", "modality 1", "expected 0"});
}
