// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE diffusion_target
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>

#include "transfusion/diffusion/concepts.hpp"
#include "transfusion/diffusion/schedule/cosine.hpp"
#include "transfusion/diffusion/schedule/linear.hpp"
#include "transfusion/diffusion/schedule/rectified_flow.hpp"
#include "transfusion/diffusion/target/data.hpp"
#include "transfusion/diffusion/target/noise.hpp"
#include "transfusion/diffusion/target/v.hpp"
#include "transfusion/diffusion/target/velocity.hpp"

namespace tf = transfusion;

static_assert(tf::prediction_target<tf::target::noise>);
static_assert(tf::prediction_target<tf::target::data>);
static_assert(tf::prediction_target<tf::target::v>);
static_assert(tf::prediction_target<tf::target::velocity>);

namespace {

struct member_only {
  tf::coefficients of(double, double) const { return {}; }
};
struct pair_of_numbers {
  static double of(double a, double b) { return a - b; }
};
static_assert(!tf::prediction_target<member_only>);
static_assert(!tf::prediction_target<pair_of_numbers>);

static_assert(tf::target::noise::of(0.8, 0.6) == tf::coefficients{0, 1});
static_assert(tf::target::data::of(0.8, 0.6) == tf::coefficients{1, 0});
static_assert(tf::target::v::of(0.8, 0.6) == tf::coefficients{-0.6, 0.8});
static_assert(tf::target::velocity::of(0.25, 0.75) == tf::coefficients{-1, 1});
static_assert(tf::recover_data({0.5, 0.5, 0.5}, {-1, 1}).on_x == 1);

void near(double found, double expected, double bound) {
  BOOST_TEST(std::abs(found - expected) <= bound, "found " << found << ", expected " << expected << " to " << bound);
}

template <class Schedule, class Target>
void round_trip() {
  for (int n = 1; n < 1000; n += 7) {
    const auto level = tf::level_at(Schedule{}, n / 1000.0);
    const auto target = Target::of(level.signal, level.noise);
    for (const double x0 : {-1.7, 0.0, 0.3, 2.5})
      for (const double e : {-2.1, 0.0, 0.9}) {
        const double x = level.signal * x0 + level.noise * e;
        const double y = target.data * x0 + target.noise * e;
        const auto data = tf::recover_data(level, target), noise = tf::recover_noise(level, target);
        near(data.on_x * x + data.on_y * y, x0, 1e-14 / level.signal);
        near(noise.on_x * x + noise.on_y * y, e, 1e-14 / level.noise);
      }
  }
}

template <class Schedule>
void round_trips() {
  round_trip<Schedule, tf::target::noise>();
  round_trip<Schedule, tf::target::data>();
  round_trip<Schedule, tf::target::v>();
  round_trip<Schedule, tf::target::velocity>();
}

bool names_both(const tf::config_error& e) {
  const std::string text = e.what();
  return text.find("signal") != std::string::npos && text.find("·data + ") != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(targets_give_back_data_and_noise) {
  round_trips<tf::schedule::cosine>();
  round_trips<tf::schedule::linear>();
  round_trips<tf::schedule::rectified_flow>();
}

BOOST_AUTO_TEST_CASE(recoveries_are_the_closed_forms) {
  const tf::noise_level level{0.5, 0.8, 0.6};
  const auto check = [](tf::recovery found, double on_x, double on_y) {
    near(found.on_x, on_x, 1e-15);
    near(found.on_y, on_y, 1e-15);
  };
  check(tf::recover_data(level, tf::target::noise::of(0.8, 0.6)), 1 / 0.8, -0.6 / 0.8);
  check(tf::recover_data(level, tf::target::v::of(0.8, 0.6)), 0.8, -0.6);
  check(tf::recover_noise(level, tf::target::v::of(0.8, 0.6)), 0.6, 0.8);
  check(tf::recover_noise(level, tf::target::data::of(0.8, 0.6)), 1 / 0.6, -0.8 / 0.6);
  check(tf::recover_data({0.3, 0.7, 0.3}, tf::target::velocity::of(0.7, 0.3)), 1, -0.3);
  check(tf::recover_noise({0.3, 0.7, 0.3}, tf::target::velocity::of(0.7, 0.3)), 1, 0.7);
}

BOOST_AUTO_TEST_CASE(one_equation_is_enough_where_it_holds_the_quantity_alone) {
  const tf::noise_level clean{0, 1, 0}, pure{1, 0, 1};
  BOOST_TEST(tf::recover_data(clean, tf::target::noise::of(1, 0)).on_x == 1);
  BOOST_TEST(tf::recover_data(clean, tf::target::data::of(1, 0)).on_y == 1);
  BOOST_TEST(tf::recover_noise(pure, tf::target::data::of(0, 1)).on_x == 1);
  BOOST_TEST(tf::recover_noise(pure, tf::target::noise::of(0, 1)).on_y == 1);
  BOOST_TEST(tf::recover_data(pure, tf::target::v::of(0, 1)).on_y == -1);
}

BOOST_AUTO_TEST_CASE(the_first_cosine_step_is_regular) {
  const auto level = tf::level_at(tf::schedule::cosine{}, 1);
  near(tf::recover_data(level, tf::target::noise::of(0, 0)).on_x * level.signal, 1, 1e-15);
}

BOOST_AUTO_TEST_CASE(an_undetermined_recovery_is_an_error_that_names_both) {
  const tf::noise_level clean{0, 1, 0}, pure{1, 0, 1};
  BOOST_CHECK_EXCEPTION(tf::recover_data(pure, tf::target::noise::of(0, 1)), tf::config_error, names_both);
  BOOST_CHECK_EXCEPTION(tf::recover_noise(clean, tf::target::data::of(1, 0)), tf::config_error, names_both);
  BOOST_CHECK_EXCEPTION(tf::recover_data({0.5, 0.8, 0.6}, {0.4, 0.3}), tf::config_error, names_both);
  BOOST_CHECK_EXCEPTION(tf::recover_noise({0.5, 0.8, 0.6}, {0.4, 0.3}), tf::config_error, names_both);
  BOOST_CHECK_EXCEPTION(tf::recover_data({0.5, 0.8, 0.6}, {0, 0}), tf::config_error, names_both);
}
