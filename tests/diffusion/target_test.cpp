// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE diffusion_target
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "transfusion/diffusion/concepts.hpp"
#include "transfusion/diffusion/schedule/cosine.hpp"
#include "transfusion/diffusion/schedule/linear.hpp"
#include "transfusion/diffusion/schedule/rectified_flow.hpp"
#include "transfusion/diffusion/schedule/scaled_linear.hpp"
#include "transfusion/diffusion/schedule/sigmoid.hpp"
#include "transfusion/diffusion/schedule/table.hpp"
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

// On a rectified flow all of it is constexpr: with x0 = 3, ε = -2 and t = 1/4 the velocity is -5, x_t is 1.75.
constexpr tf::noise_level quarter = tf::level_at(tf::schedule::rectified_flow{}, 0.25);
constexpr double from_velocity(tf::recovery r) { return r.on_x * 1.75 + r.on_y * -5; }
constexpr tf::coefficients velocity = tf::target::velocity::of(0.75, 0.25), v = tf::target::v::of(0.75, 0.25);
static_assert(from_velocity(tf::recover_data(quarter, velocity)) == 3);
static_assert(from_velocity(tf::recover_noise(quarter, velocity)) == -2);
static_assert(from_velocity(tf::recover(quarter, velocity, v)) == 0.75 * -2 - 0.25 * 3);
static_assert(from_velocity(tf::recover(quarter, velocity, velocity)) == -5);

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

/// From one target to another by `recover`, and back.
template <class Schedule, class From, class To>
void converts() {
  for (int n = 1; n < 1000; n += 7) {
    const auto level = tf::level_at(Schedule{}, n / 1000.0);
    const auto from = From::of(level.signal, level.noise), to = To::of(level.signal, level.noise);
    const auto there = tf::recover(level, from, to), back = tf::recover(level, to, from);
    for (const double x0 : {-1.7, 0.3})
      for (const double e : {-2.1, 0.9}) {
        const double x = level.signal * x0 + level.noise * e, y = from.data * x0 + from.noise * e;
        const double found = there.on_x * x + there.on_y * y;
        near(found, to.data * x0 + to.noise * e, 2e-14 / (level.signal * level.noise));
        near(back.on_x * x + back.on_y * found, y, 2e-14 / (level.signal * level.noise));
      }
  }
}

template <class Schedule, class From>
void converts_to_all() {
  converts<Schedule, From, tf::target::noise>();
  converts<Schedule, From, tf::target::data>();
  converts<Schedule, From, tf::target::v>();
  converts<Schedule, From, tf::target::velocity>();
}

/// ᾱ in a straight line.
struct straight_power {
  static std::vector<double> alpha_bar() { return {0.75, 0.5, 0.25, 0.0009}; }
};

template <class Schedule>
void round_trips() {
  converts_to_all<Schedule, tf::target::noise>();
  converts_to_all<Schedule, tf::target::data>();
  converts_to_all<Schedule, tf::target::v>();
  converts_to_all<Schedule, tf::target::velocity>();
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

BOOST_AUTO_TEST_CASE(targets_give_back_data_and_noise_and_each_other) {
  round_trips<tf::schedule::cosine>();
  round_trips<tf::schedule::linear>();
  round_trips<tf::schedule::scaled_linear>();
  round_trips<tf::schedule::sigmoid>();
  round_trips<tf::schedule::table<straight_power>>();
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
