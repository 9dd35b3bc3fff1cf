// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE diffusion_sampling_and_weighting
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <set>
#include <string>

#include "transfusion/core/philox.hpp"
#include "transfusion/diffusion/concepts.hpp"
#include "transfusion/diffusion/schedule/cosine.hpp"
#include "transfusion/diffusion/target/data.hpp"
#include "transfusion/diffusion/target/noise.hpp"
#include "transfusion/diffusion/target/v.hpp"
#include "transfusion/diffusion/target/velocity.hpp"
#include "transfusion/diffusion/time_sampling/limited.hpp"
#include "transfusion/diffusion/time_sampling/logit_normal.hpp"
#include "transfusion/diffusion/time_sampling/per_document.hpp"
#include "transfusion/diffusion/time_sampling/shifted.hpp"
#include "transfusion/diffusion/time_sampling/uniform.hpp"
#include "transfusion/diffusion/weighting/min_snr.hpp"
#include "transfusion/diffusion/weighting/unit.hpp"

namespace tf = transfusion;

static_assert(tf::time_sampler<tf::time_sampling::uniform>);
static_assert(tf::time_sampler<tf::time_sampling::limited<>>);
static_assert(tf::time_sampler<tf::time_sampling::logit_normal>);
static_assert(tf::time_sampler<tf::time_sampling::shifted<>>);
static_assert(tf::time_sampler<tf::time_sampling::shifted<tf::time_sampling::logit_normal>>);
static_assert(tf::time_sampler<tf::time_sampling::per_document<>>);
static_assert(tf::time_sampling::per_document<>::shares_level_in_document);
static_assert(!tf::time_sampling::shifted<>::shares_level_in_document);
static_assert(tf::time_sampling::shifted<tf::time_sampling::per_document<>>::shares_level_in_document);
static_assert(tf::loss_weighting<tf::weighting::unit>);
static_assert(tf::loss_weighting<tf::weighting::min_snr<>>);

namespace {

struct blind_to_order {
  double operator()(double u) const { return u; }
};
struct changes_itself {
  double operator()(double u, bool) { return u; }
};
struct weight_of_time {
  double operator()(double t) const { return t; }
};
static_assert(!tf::time_sampler<blind_to_order>);
static_assert(!tf::time_sampler<changes_itself>);
static_assert(!tf::loss_weighting<weight_of_time>);

static_assert(tf::time_sampling::uniform{}(0.5, false) == 0.501);
static_assert(tf::time_sampling::limited<>{}(0.5, true) == 0.251);
static_assert(tf::time_sampling::shifted<tf::time_sampling::limited<>>{.shift = 1}(0.5, true) == 0.251);
static_assert(tf::time_sampling::per_document<tf::time_sampling::limited<>>{}(0.5, true) == 0.251);
static_assert(tf::weighting::unit{}({0.5, 0.8, 0.6}, {0, 1}) == 1);

void near(double found, double expected, double bound) {
  BOOST_TEST(std::abs(found - expected) <= bound, "found " << found << ", expected " << expected << " to " << bound);
}

/// Times at evenly spread u: every n of 1..most equally often, and no other.
template <class Sampler>
void covers_evenly(const Sampler& sampler, bool image_first, int most) {
  std::multiset<long> found;
  for (int i = 0; i < 10 * most; ++i) {
    const double t = sampler((i + 0.5) / (10 * most), image_first);
    near(t * 1000, std::round(t * 1000), 1e-9);
    found.insert(std::lround(t * 1000));
  }
  for (int n = 1; n <= most; ++n) BOOST_TEST(found.count(n) == 10u);
}

}  // namespace

BOOST_AUTO_TEST_CASE(uniform_takes_every_step_equally_often) {
  covers_evenly(tf::time_sampling::uniform{}, false, 1000);
  covers_evenly(tf::time_sampling::uniform{}, true, 1000);
}

BOOST_AUTO_TEST_CASE(limited_holds_back_images_that_come_first) {
  covers_evenly(tf::time_sampling::limited<>{}, true, 500);
  covers_evenly(tf::time_sampling::limited<>{}, false, 1000);
  covers_evenly(tf::time_sampling::limited<37>{}, true, 37);
}

BOOST_AUTO_TEST_CASE(the_ends_of_the_unit_interval_stay_in_range) {
  const double most = 1 - 0x1p-53, least = 0x1p-33;
  BOOST_TEST(tf::time_sampling::uniform{}(most, false) == 1);
  BOOST_TEST(tf::time_sampling::uniform{}(1.0, false) == 1);
  BOOST_TEST(tf::time_sampling::uniform{}(least, false) == 0.001);
  BOOST_TEST(tf::time_sampling::limited<>{}(most, true) == 0.5);
  for (const double u : {1e-300, least, most}) {
    const double t = tf::time_sampling::logit_normal{}(u, false);
    BOOST_TEST((t > 0 && t < 1));
  }
}

BOOST_AUTO_TEST_CASE(logit_normal_has_its_quantiles) {
  const tf::time_sampling::logit_normal sampler{.mean = 0.4, .deviation = 1.3};
  for (const double z : {-6.0, -3.1, -1.0, -0.2, 0.0, 0.5, 2.0, 4.0}) {
    const double u = 0.5 * std::erfc(-z / std::sqrt(2.0));
    near(sampler(u, false), 1 / (1 + std::exp(-(0.4 + 1.3 * z))), 1e-12);
    BOOST_TEST(sampler(u, true) == sampler(u, false));
  }
}

// z of the quartiles of a standard normal is ±0.674489750196.
BOOST_AUTO_TEST_CASE(logit_normal_has_the_published_quartiles) {
  const tf::time_sampling::logit_normal sampler;
  near(sampler(0.5, false), 0.5, 1e-15);
  near(sampler(0.25, false), 1 / (1 + std::exp(0.67448975019608171)), 1e-14);
  near(sampler(0.75, false), 1 / (1 + std::exp(-0.67448975019608171)), 1e-14);
  near(sampler(0.025, false), 1 / (1 + std::exp(1.959963984540054)), 1e-14);
  for (const double u : {0.003, 0.2, 0.49}) near(sampler(u, false), 1 - sampler(1 - u, false), 1e-13);
  double before = 0;
  for (int i = 1; i < 1000; ++i) {
    const double t = sampler(i / 1000.0, false);
    BOOST_TEST(t > before);
    before = t;
  }
}

// On a rectified flow the shift multiplies noise/signal.
BOOST_AUTO_TEST_CASE(shifted_multiplies_the_ratio_of_another_samplers_time) {
  const auto ratio = [](double t) { return t / (1 - t); };
  const tf::time_sampling::logit_normal base{.mean = 0.3};
  for (const double s : {0.5, 1.0, 3.0, 4.0})
    for (const double u : {0.01, 0.3, 0.5, 0.8, 0.99}) {
      const tf::time_sampling::shifted<tf::time_sampling::logit_normal> sampler{.shift = s, .base = base};
      near(ratio(sampler(u, false)) / ratio(base(u, false)), s, 1e-12);
      near(sampler(u, true), s * base(u, true) / (1 + (s - 1) * base(u, true)), 1e-15);
    }
  near(tf::time_sampling::shifted<>{}(0.4995, false), 3 * 0.5 / (1 + 2 * 0.5), 1e-15);
  near(tf::time_sampling::shifted<>{}(1 - 0x1p-53, false), 1, 0);
}

BOOST_AUTO_TEST_CASE(shifted_shows_its_sampler_whether_an_image_leads) {
  const tf::time_sampling::shifted<tf::time_sampling::limited<>> sampler;
  near(sampler(0.9995, true), 0.75, 1e-15);  // 3·0.5/(1 + 2·0.5)
  near(sampler(0.9995, false), 1, 0);
}

BOOST_AUTO_TEST_CASE(a_shift_that_is_not_above_zero_is_an_error) {
  for (const double s : {0.0, -1.0, std::nan("")})
    BOOST_CHECK_EXCEPTION(
        tf::time_sampling::shifted<>{.shift = s}(0.5, false), tf::config_error,
        [](const tf::config_error& e) { return std::string(e.what()).find("time_sampling::shifted: found ") == 0; });
}

BOOST_AUTO_TEST_CASE(samplers_are_functions_of_their_arguments) {
  const auto check = [](const auto& sampler) {
    const auto copy = sampler;
    for (const double u : {1e-9, 0.2, 0.5, 0.999})
      for (const bool image_first : {false, true}) {
        const double first = sampler(u, image_first);
        copy(0.7, !image_first);
        BOOST_TEST(sampler(u, image_first) == first);
        BOOST_TEST(copy(u, image_first) == first);
        BOOST_TEST((first > 0 && first <= 1));
      }
  };
  check(tf::time_sampling::uniform{});
  check(tf::time_sampling::limited<>{});
  check(tf::time_sampling::logit_normal{});
  check(tf::time_sampling::shifted<>{});
  check(tf::time_sampling::per_document<tf::time_sampling::logit_normal>{});
}

BOOST_AUTO_TEST_CASE(logit_normal_samples_have_its_mean_and_deviation) {
  const tf::time_sampling::logit_normal sampler{.mean = -0.5, .deviation = 0.7};
  const tf::random_key key{.seed = 3};
  const int count = 20000;
  double sum = 0, squares = 0;
  for (int i = 0; i < count; ++i) {
    const double t = sampler(key.uniform(static_cast<std::uint64_t>(i)), false);
    const double logit = std::log(t / (1 - t));
    sum += logit;
    squares += logit * logit;
  }
  const double mean = sum / count;
  near(mean, -0.5, 5 * 0.7 / std::sqrt(count));
  near(std::sqrt(squares / count - mean * mean), 0.7, 5 * 0.7 / std::sqrt(2.0 * count));
}

BOOST_AUTO_TEST_CASE(min_snr_is_the_closed_form_for_every_target) {
  const tf::weighting::min_snr<5> weighting;
  for (int n = 1; n <= 1000; n += 3) {
    const auto level = tf::level_at(tf::schedule::cosine{}, n / 1000.0);
    const double a = level.signal, b = level.noise;
    const double snr = a * a / (b * b), held = std::fmin(snr, 5.0);
    near(weighting(level, tf::target::noise::of(a, b)), held / snr, 1e-12);
    near(weighting(level, tf::target::v::of(a, b)), held / (snr + 1), 1e-12);
    near(weighting(level, tf::target::data::of(a, b)), held, 1e-12);
  }
}

// x0 = x_t − t·u: an error in the velocity is t times as large in x0.
BOOST_AUTO_TEST_CASE(min_snr_of_a_velocity_is_the_closed_form) {
  for (const double t : {0.05, 0.2, 0.309, 0.5, 0.9}) {
    const double snr = (1 - t) * (1 - t) / (t * t);
    near(tf::weighting::min_snr<5>{}({t, 1 - t, t}, {-1, 1}), std::fmin(snr, 5.0) * t * t, 1e-14);
  }
}

BOOST_AUTO_TEST_CASE(min_snr_at_the_ends) {
  const tf::weighting::min_snr<5> weighting;
  const tf::noise_level clean{0, 1, 0}, pure{1, 0, 1};
  BOOST_TEST(weighting(pure, tf::target::noise::of(0, 1)) == 1);
  BOOST_TEST(weighting(pure, tf::target::velocity::of(0, 1)) == 1);
  BOOST_TEST(weighting(clean, tf::target::noise::of(1, 0)) == 0);
  BOOST_TEST(weighting(clean, tf::target::data::of(1, 0)) == 5);
  BOOST_TEST(tf::weighting::min_snr<2>{}(clean, tf::target::data::of(1, 0)) == 2);
}
