// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE diffusion_schedule
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <string>

#include "transfusion/diffusion/concepts.hpp"
#include "transfusion/diffusion/schedule/cosine.hpp"
#include "transfusion/diffusion/schedule/linear.hpp"
#include "transfusion/diffusion/schedule/rectified_flow.hpp"
#include "transfusion/diffusion/schedule/scaled_linear.hpp"
#include "transfusion/diffusion/schedule/sigmoid.hpp"

namespace tf = transfusion;

static_assert(tf::noise_schedule<tf::schedule::cosine>);
static_assert(tf::noise_schedule<tf::schedule::linear>);
static_assert(tf::noise_schedule<tf::schedule::rectified_flow>);
static_assert(tf::noise_schedule<tf::schedule::scaled_linear>);
static_assert(tf::noise_schedule<tf::schedule::sigmoid>);

namespace {

struct only_signal {
  double signal(double t) const { return 1 - t; }
};
struct no_number {
  double signal(double t) const { return 1 - t; }
  const char* noise(double) const { return ""; }
};
static_assert(!tf::noise_schedule<only_signal>);
static_assert(!tf::noise_schedule<no_number>);
static_assert(!tf::noise_schedule<double>);
static_assert(tf::level_at(tf::schedule::rectified_flow{}, 0.25) == tf::noise_level{0.25, 0.75, 0.25});

void close(double found, double expected, double relative) {
  BOOST_TEST(std::abs(found - expected) <= relative * std::abs(expected),
             "found " << found << ", expected " << expected << " to " << relative);
}

double alpha_bar(const tf::noise_level& level) { return level.signal * level.signal; }

struct table_row {
  int n;
  double beta, alpha_bar, snr;
};

}  // namespace

BOOST_AUTO_TEST_CASE(cosine_has_the_values_of_the_published_code) {
  const table_row rows[] = {
      {1, 4.1284225e-05, 0.9999587158, 24221.3},     {2, 4.6141753e-05, 0.9999125759, 11437.5},
      {100, 5.2690481e-04, 0.9720927371, 34.833},    {250, 1.3214966e-03, 0.8470121613, 5.53647},
      {500, 3.1458862e-03, 0.4938435904, 0.975674},  {750, 7.5457077e-03, 0.1442721024, 0.168596},
      {900, 1.954418e-02, 0.02409172414, 0.0246865}, {999, 0.74999939, 2.428766907e-06, 2.42877e-06},
      {1000, 0.999, 2.428766907e-09, 2.42877e-09}};
  for (const auto& row : rows) {
    const auto level = tf::level_at(tf::schedule::cosine{}, row.n / 1000.0);
    const auto before = tf::level_at(tf::schedule::cosine{}, (row.n - 1) / 1000.0);
    close(alpha_bar(level), row.alpha_bar, 5e-10);
    close(1 - alpha_bar(level) / alpha_bar(before), row.beta, 4e-8);
    close(alpha_bar(level) / (level.noise * level.noise), row.snr, 3e-6);
  }
}

BOOST_AUTO_TEST_CASE(cosine_equals_the_product_of_its_clipped_betas) {
  const auto f = [](double u) { return std::pow(std::cos((u + 0.008) / 1.008 * std::acos(-1.0) / 2), 2); };
  double product = 1;
  for (int n = 1; n <= 1000; ++n) {
    product *= 1 - std::fmin(1 - f(n / 1000.0) / f((n - 1) / 1000.0), 0.999);
    const auto level = tf::level_at(tf::schedule::cosine{}, n / 1000.0);
    close(alpha_bar(level), product, 1e-11);
    close(level.noise * level.noise, 1 - product, 1e-11);
  }
}

BOOST_AUTO_TEST_CASE(linear_equals_the_product_of_its_betas) {
  double product = 1;
  for (int n = 1; n <= 1000; ++n) {
    product *= 1 - (1e-4 + (0.02 - 1e-4) * (n - 1) / 999.0);
    const auto level = tf::level_at(tf::schedule::linear{}, n / 1000.0);
    close(alpha_bar(level), product, 1e-11);
    close(level.noise * level.noise, 1 - product, 1e-11);
  }
  const auto left = tf::level_at(tf::schedule::linear{}, 0.417), right = tf::level_at(tf::schedule::linear{}, 0.418);
  close(tf::level_at(tf::schedule::linear{}, 0.4175).signal, std::sqrt(left.signal * right.signal), 1e-12);
}

BOOST_AUTO_TEST_CASE(linear_has_the_end_of_the_published_code) {
  close(alpha_bar(tf::level_at(tf::schedule::linear{}, 0.001)), 1 - 1e-4, 1e-15);
  close(alpha_bar(tf::level_at(tf::schedule::linear{}, 1)), 4.0358e-5, 1e-4);
}

// Stable Diffusion's: noise/signal goes from 0.0292 to 14.6146 in the published samplers.
BOOST_AUTO_TEST_CASE(scaled_linear_has_the_values_of_the_published_code) {
  const auto ratio = [](double t) {
    const auto level = tf::level_at(tf::schedule::scaled_linear{}, t);
    return level.noise / level.signal;
  };
  BOOST_TEST(std::abs(ratio(0.001) - 0.0292) < 5e-5);
  BOOST_TEST(std::abs(ratio(1) - 14.6146) < 5e-5);
  close(alpha_bar(tf::level_at(tf::schedule::scaled_linear{}, 0.001)), 1 - 0.00085, 1e-15);
  double product = 1;
  for (int n = 1; n <= 1000; ++n) {
    const double root = std::sqrt(0.00085) + (std::sqrt(0.012) - std::sqrt(0.00085)) * (n - 1) / 999.0;
    product *= 1 - root * root;
    const auto level = tf::level_at(tf::schedule::scaled_linear{}, n / 1000.0);
    close(alpha_bar(level), product, 1e-11);
    close(level.noise * level.noise, 1 - product, 1e-11);
  }
}

// Chen 2023, algorithm 1, as it is printed.
BOOST_AUTO_TEST_CASE(sigmoid_is_the_published_function) {
  const auto compare = [](const tf::schedule::sigmoid& schedule) {
    const auto logistic = [&](double x) { return 1 / (1 + std::exp(-x / schedule.tau)); };
    const double first = logistic(schedule.start), last = logistic(schedule.end);
    for (int n = 0; n <= 1000; ++n) {
      const double t = n / 1000.0, now = logistic(schedule.start + t * (schedule.end - schedule.start));
      const double expected = std::fmin(std::fmax((last - now) / (last - first), 1e-9), 1.0);
      const auto level = tf::level_at(schedule, t);
      BOOST_TEST(std::abs(alpha_bar(level) - expected) < 1e-14);
      BOOST_TEST(std::abs(level.noise * level.noise - (1 - expected)) < 1e-14);
    }
  };
  compare({});
  compare({.start = 0, .end = 3, .tau = 0.3});
  compare({.start = 0, .end = 3, .tau = 0.7});
  close(alpha_bar(tf::level_at(tf::schedule::sigmoid{}, 0.5)), 0.5, 1e-15);
  close(alpha_bar(tf::level_at(tf::schedule::sigmoid{}, 1)), 1e-9, 1e-14);
}

BOOST_AUTO_TEST_CASE(a_sigmoid_without_a_slope_is_an_error) {
  const auto says = [](const tf::config_error& e) {
    return std::string(e.what()).find("expected start < end and tau > 0") != std::string::npos;
  };
  BOOST_CHECK_EXCEPTION(tf::level_at(tf::schedule::sigmoid{.start = 3}, 0.5), tf::config_error, says);
  BOOST_CHECK_EXCEPTION(tf::level_at(tf::schedule::sigmoid{.tau = 0}, 0.5), tf::config_error, says);
}

BOOST_AUTO_TEST_CASE(rectified_flow_is_the_straight_line) {
  for (const double t : {0.0, 0.125, 0.5, 0.75, 1.0}) {
    BOOST_TEST(tf::schedule::rectified_flow::signal(t) == 1 - t);
    BOOST_TEST(tf::schedule::rectified_flow::noise(t) == t);
  }
}

BOOST_AUTO_TEST_CASE(schedules_start_clean_and_fall_without_a_jump) {
  const auto check = [](const auto& schedule, bool keeps_variance) {
    BOOST_TEST(schedule.signal(0.0) == 1.0);
    BOOST_TEST(schedule.noise(0.0) == 0.0);
    auto before = tf::level_at(schedule, 0);
    for (int i = 1; i <= 20000; ++i) {
      const auto level = tf::level_at(schedule, i / 20000.0);
      BOOST_TEST(level.signal <= before.signal);
      BOOST_TEST(level.noise >= before.noise);
      BOOST_TEST(before.signal - level.signal < 5e-4);
      if (keeps_variance) close(level.signal * level.signal + level.noise * level.noise, 1, 1e-14);
      before = level;
    }
  };
  check(tf::schedule::cosine{}, true);
  check(tf::schedule::linear{}, true);
  check(tf::schedule::scaled_linear{}, true);
  check(tf::schedule::rectified_flow{}, false);
}

BOOST_AUTO_TEST_CASE(sigmoid_starts_clean_and_falls) {
  const tf::schedule::sigmoid schedule;
  BOOST_TEST(schedule.signal(0.0) == 1.0);
  BOOST_TEST(schedule.noise(0.0) == 0.0);
  auto before = tf::level_at(schedule, 0);
  for (int i = 1; i <= 20000; ++i) {
    const auto level = tf::level_at(schedule, i / 20000.0);
    BOOST_TEST(level.signal < before.signal);
    BOOST_TEST(level.noise > before.noise);
    close(level.signal * level.signal + level.noise * level.noise, 1, 1e-14);
    before = level;
  }
}

BOOST_AUTO_TEST_CASE(cosine_noise_keeps_its_digits_near_the_clean_image) {
  // d/dt (1 − ᾱ) at 0 is π/1.008·tan(0.008/1.008·π/2).
  const double quarter = std::acos(-1.0) / 2;
  const double slope = 2 * quarter / 1.008 * std::tan(0.008 / 1.008 * quarter);
  const double noise = tf::schedule::cosine::noise(1e-12);
  close(noise * noise, slope * 1e-12, 1e-9);
}

BOOST_AUTO_TEST_CASE(a_time_outside_its_range_is_an_error) {
  for (const double t : {-1e-9, 1.0 + 1e-9, 500.0, std::numeric_limits<double>::quiet_NaN()})
    BOOST_CHECK_EXCEPTION(tf::level_at(tf::schedule::cosine{}, t), tf::config_error, [](const tf::config_error& e) {
      return std::string(e.what()).find("expected 0 to 1") != std::string::npos;
    });
}
