// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE generate_guidance
#include <boost/test/unit_test.hpp>

#include "generate/plain_generator.hpp"
#include "transfusion/exec/reference.hpp"

using namespace generate_test;

namespace {

using fixture_type = fixture<tf::reference_exec<double>>;

/// Prompts of text, of an image, of both, of nothing.
std::vector<tf::generation_request> drawing() {
  return {{prompt({tf::text{{5, 6}}}), true, 2},
          {prompt({toy_image(1)}), true, 3},
          {prompt({tf::text{{7}}, toy_image(0, 2, 6), tf::text{{8}}}), true, 4},
          {prompt({}), true, 6}};
}

tf::generation_options with(double guidance) {
  auto o = small(0);
  o.guidance = guidance;
  return o;
}

/// The largest distance between images; 0: the same bits.
double difference(const std::vector<tf::generated_document>& a, const std::vector<tf::generated_document>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::fmax(worst, distance_of_images(a[i].content, b[i].content));
  return worst;
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_interval_without_any_time_is_no_guidance) {
  fixture_type f;
  auto options = with(4);
  options.guidance_low = 0.4001;
  options.guidance_high = 0.4002;
  BOOST_TEST(difference(f(options, drawing()), f(with(1), drawing())) == 0);
}

BOOST_AUTO_TEST_CASE(an_interval_of_all_times_is_guidance_everywhere) {
  fixture_type f;
  auto options = with(4);
  options.guidance_low = 0.001;  // the last time that is evaluated
  BOOST_TEST(difference(f(options, drawing()), f(with(4), drawing())) == 0);
}

BOOST_AUTO_TEST_CASE(guidance_is_on_inside_its_interval_alone) {
  fixture_type f;
  auto options = with(4);
  options.guidance_low = 0.3;
  options.guidance_high = 0.7;
  check_against_plain(f.model, options, drawing(), 1e-6);
  const auto found = f(options, drawing());
  BOOST_TEST(difference(found, f(with(1), drawing())) > 1e-3);
  BOOST_TEST(difference(found, f(with(4), drawing())) > 1e-3);
}

BOOST_AUTO_TEST_CASE(a_rescaled_prediction_has_the_deviation_that_phi_asks_for) {
  fixture_type f;
  for (double phi : {0.5, 1.0}) {
    auto options = with(5);
    options.guidance_rescale = phi;
    check_against_plain(f.model, options, drawing(), 1e-6);
    BOOST_TEST(difference(f(options, drawing()), f(with(5), drawing())) > 1e-3);
  }
}

BOOST_AUTO_TEST_CASE(text_and_images_have_scales_of_their_own) {
  fixture_type f;
  auto options = with(4);
  options.image_guidance = 1.5;
  check_against_plain(f.model, options, drawing(), 1e-6);
  options.guidance_rescale = 0.7;
  options.guidance_low = 0.2;
  check_against_plain(f.model, options, drawing(), 1e-6);
}

BOOST_AUTO_TEST_CASE(a_second_image_is_guided_by_the_first_one_too) {
  fixture<tf::cpu_exec<double>> f;
  f.favour(boi, 100);
  auto options = small(1, 3);
  options.guidance = 4;
  options.image_guidance = 1.5;
  const auto all = check_against_plain(f.model, options, {{prompt({tf::text{{5}}, toy_image(2)}), true, 1}}, 1e-6);
  BOOST_TEST(images(all[0].content).size() == 4u);
}

BOOST_AUTO_TEST_CASE(one_scale_for_both_is_the_scale_of_all) {
  fixture_type f;
  auto options = with(4);
  options.image_guidance = 4;
  BOOST_TEST(difference(f(options, drawing()), f(with(4), drawing())) < 1e-6);
}

BOOST_AUTO_TEST_CASE(scales_weigh_nothing_where_the_branches_see_the_same) {
  fixture_type f;
  const auto of = [&](tf::document d, double text_scale, double image_scale) {
    auto options = with(text_scale);
    options.image_guidance = image_scale;
    return f(options, {{std::move(d), true, 6}});
  };
  // Without text the scale of the text, without images that of the images.
  BOOST_TEST(difference(of(prompt({toy_image(1)}), 7, 2), of(prompt({toy_image(1)}), 3, 2)) < 1e-6);
  BOOST_TEST(difference(of(prompt({tf::text{{5}}}), 4, 7), of(prompt({tf::text{{5}}}), 4, 1)) < 1e-6);
  BOOST_TEST(difference(of(prompt({toy_image(1)}), 4, 7), of(prompt({toy_image(1)}), 4, 1)) > 1e-3);
}

BOOST_AUTO_TEST_CASE(a_dynamic_threshold_scales_the_data_into_their_range) {
  fixture_type f;
  for (double quantile : {0.5, 0.9, 1.0}) {
    auto options = with(5);
    options.threshold_quantile = quantile;
    options.data_low = -0.8;
    options.data_high = 0.8;
    check_against_plain(f.model, options, drawing(), 1e-6);
  }
  auto options = with(5);
  const auto clamped = f(options, drawing());
  options.threshold_quantile = 0.9;
  BOOST_TEST(difference(f(options, drawing()), clamped) > 1e-3);
}

BOOST_AUTO_TEST_CASE(options_of_guidance_outside_their_range_are_refused_by_name) {
  fixture_type f;
  const auto refused = [&](auto change, const char* name) {
    auto options = small();
    change(options);
    fails_saying<tf::config_error>([&] { tf::generator generator(f.model, options); }, {name, "found", "expected"});
  };
  using o = tf::generation_options;
  refused([](o& x) { x.image_guidance = INFINITY; }, "image_guidance");
  refused([](o& x) { x.guidance_low = 1.5; }, "guidance_low");
  refused([](o& x) { x.guidance_low = std::nan(""); }, "guidance_low");
  refused([](o& x) { x.guidance_rescale = 1.1; }, "guidance_rescale");
  refused([](o& x) { x.threshold_quantile = -0.1; }, "threshold_quantile");
  refused(
      [](o& x) {
        x.threshold_quantile = 0.9;
        x.data_low = -2;
      },
      "data_low");
}
