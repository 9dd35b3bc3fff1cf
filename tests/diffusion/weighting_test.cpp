// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE diffusion_weighting
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>

#include "transfusion/diffusion/concepts.hpp"
#include "transfusion/diffusion/schedule/cosine.hpp"
#include "transfusion/diffusion/schedule/linear.hpp"
#include "transfusion/diffusion/schedule/rectified_flow.hpp"
#include "transfusion/diffusion/schedule/sigmoid.hpp"
#include "transfusion/diffusion/target/data.hpp"
#include "transfusion/diffusion/target/noise.hpp"
#include "transfusion/diffusion/target/v.hpp"
#include "transfusion/diffusion/target/velocity.hpp"
#include "transfusion/diffusion/weighting/measured_as.hpp"
#include "transfusion/diffusion/weighting/min_snr.hpp"
#include "transfusion/diffusion/weighting/per_schedule.hpp"

namespace tf = transfusion;
using tf::weighting::measured_as;
using tf::weighting::per_schedule;
namespace target = tf::target;
using tf::schedule::cosine;
using tf::schedule::rectified_flow;

static_assert(tf::loss_weighting<measured_as<target::velocity>>);
static_assert(tf::loss_weighting<measured_as<target::data, tf::weighting::min_snr<3>, 100>>);
static_assert(tf::loss_weighting<per_schedule<cosine>>);
static_assert(tf::loss_weighting<per_schedule<cosine, tf::weighting::shape::likelihood>>);
// x0 with the loss of the velocity on a rectified flow: 1/t², held to 20².
static_assert(measured_as<target::velocity>{}({0.5, 0.5, 0.5}, {1, 0}) == 4);
static_assert(measured_as<target::velocity>{}({0.01, 0.99, 0.01}, {1, 0}) == 400);

namespace {

void close(double found, double expected, double relative) {
  BOOST_TEST(std::abs(found - expected) <= relative * std::abs(expected),
             "found " << found << ", expected " << expected << " to " << relative);
}

template <class F>
void for_each_target(F f) {
  f(target::noise{});
  f(target::data{});
  f(target::v{});
  f(target::velocity{});
}
template <class F>
void for_each_schedule(F f) {
  f(cosine{});
  f(tf::schedule::linear{});
  f(tf::schedule::sigmoid{});
  f(rectified_flow{});
}

/// The error in what `Wanted` names, of a prediction that is off by `error`: both are worked out from x_t and y.
template <class Wanted>
double error_in(const tf::noise_level& level, const tf::coefficients& predicted, double y, double error, double x_t) {
  const tf::coefficients wanted = Wanted::of(level.signal, level.noise);
  const tf::recovery data = tf::recover_data(level, predicted), noise = tf::recover_noise(level, predicted);
  const auto value = [&](double of) {
    return wanted.data * (data.on_x * x_t + data.on_y * of) + wanted.noise * (noise.on_x * x_t + noise.on_y * of);
  };
  return value(y + error) - value(y);
}

/// The level where a schedule's λ is given, by halving.
template <class Schedule>
tf::noise_level level_of_log_snr(const Schedule& schedule, double log_snr) {
  double low = 0, high = 1;
  for (int i = 0; i < 80; ++i) {
    const double middle = (low + high) / 2;
    (2 * std::log(schedule.signal(middle) / schedule.noise(middle)) > log_snr ? low : high) = middle;
  }
  return tf::level_at(schedule, high);
}

}  // namespace

// The same squared error, as if the model had predicted the other quantity.
BOOST_AUTO_TEST_CASE(the_loss_is_that_of_the_other_target) {
  for_each_schedule([](auto schedule) {
    for_each_target([&](auto predicted_target) {
      for_each_target([&](auto wanted_target) {
        using wanted = decltype(wanted_target);
        const measured_as<wanted, tf::weighting::unit, 1000000> weighting;
        for (const double t : {0.1, 0.35, 0.5, 0.8, 0.95}) {
          const auto level = tf::level_at(schedule, t);
          const double a = level.signal, b = level.noise, x0 = 0.7, e = -1.2, error = 0.03;
          const auto predicted = predicted_target.of(a, b);
          const double there =
              error_in<wanted>(level, predicted, predicted.data * x0 + predicted.noise * e, error, a * x0 + b * e);
          close(weighting(level, predicted) * error * error, there * there, 1e-9);
        }
      });
    });
  });
}

BOOST_AUTO_TEST_CASE(the_factors_are_the_closed_forms) {
  for (const double t : {0.1, 0.4, 0.7, 0.9}) {
    const tf::noise_level flow = tf::level_at(rectified_flow{}, t), curve = tf::level_at(cosine{}, t);
    const double a = curve.signal, b = curve.noise;
    const auto of = [&](auto predicted) { return predicted.of(a, b); };
    close(measured_as<target::velocity>{}(flow, target::data::of(1 - t, t)), 1 / (t * t), 1e-13);
    close(measured_as<target::velocity>{}(flow, target::noise::of(1 - t, t)), 1 / ((1 - t) * (1 - t)), 1e-13);
    close(measured_as<target::data>{}(curve, of(target::noise{})), b * b / (a * a), 1e-12);
    close(measured_as<target::data>{}(curve, of(target::v{})), b * b, 1e-12);
    close(measured_as<target::noise>{}(curve, of(target::data{})), a * a / (b * b), 1e-12);
    close(measured_as<target::noise>{}(curve, of(target::v{})), a * a, 1e-12);
    close(measured_as<target::v>{}(curve, of(target::data{})), 1 / (b * b), 1e-12);
    close(measured_as<target::v>{}(curve, of(target::v{})), 1, 1e-15);
  }
}

// JiT's published code divides by max(noise, 0.05).
BOOST_AUTO_TEST_CASE(the_factor_is_bounded_as_in_jit) {
  for (int n = 1; n <= 1000; ++n) {
    const auto level = tf::level_at(rectified_flow{}, n / 1000.0);
    const double divisor = std::fmax(level.noise, 0.05);
    close(measured_as<target::velocity>{}(level, {1, 0}), 1 / (divisor * divisor), 1e-12);
  }
  BOOST_TEST((measured_as<target::velocity, tf::weighting::unit, 3>{}({0.1, 0.9, 0.1}, {1, 0})) == 9);
}

BOOST_AUTO_TEST_CASE(the_ends_of_a_schedule_have_the_bound) {
  const tf::noise_level clean{0, 1, 0}, pure{1, 0, 1};
  BOOST_TEST(measured_as<target::velocity>{}(clean, {1, 0}) == 400);  // ε from x0 where there is none
  BOOST_TEST(measured_as<target::data>{}(pure, {0, 1}) == 400);
  BOOST_TEST(measured_as<target::velocity>{}(pure, {1, 0}) == 1);  // ε is x_t: all of the error is that of x0
  BOOST_TEST(measured_as<target::noise>{}(pure, {1, 0}) == 0);
}

BOOST_AUTO_TEST_CASE(there_and_back_is_one) {
  for (const double t : {0.1, 0.5, 0.9}) {
    const auto level = tf::level_at(cosine{}, t);
    const double a = level.signal, b = level.noise;
    const double there = measured_as<target::velocity>{}(level, target::v::of(a, b));
    const double back = measured_as<target::v>{}(level, target::velocity::of(a, b));
    close(there * back, 1, 1e-14);
  }
}

// min_snr speaks of the error in x0 in any space.
BOOST_AUTO_TEST_CASE(the_base_weighs_the_error_in_the_other_space) {
  for_each_target([](auto predicted) {
    for (const double t : {0.2, 0.5, 0.8}) {
      const auto level = tf::level_at(cosine{}, t);
      const tf::coefficients y = predicted.of(level.signal, level.noise);
      const tf::weighting::min_snr<5> plain;
      close(measured_as<target::velocity, tf::weighting::min_snr<5>>{}(level, y), plain(level, y), 1e-12);
    }
  });
}

BOOST_AUTO_TEST_CASE(a_prediction_that_says_nothing_is_an_error_naming_the_space) {
  const tf::noise_level level{0.5, 0.8, 0.6};
  BOOST_CHECK_EXCEPTION(
      measured_as<target::velocity>{}(level, {0.8, 0.6}), tf::config_error, [](const tf::config_error& e) {
        const std::string text = e.what();
        return text.find("weighting::measured_as: cannot recover target::velocity at time 0.5") == 0 &&
               text.find("from the target 0.8·data + 0.6·noise") != std::string::npos;
      });
}

// --- weights of the schedule
// ------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(weights_of_the_schedule_are_the_closed_forms) {
  const per_schedule<rectified_flow, tf::weighting::shape::likelihood> bound;
  const per_schedule<rectified_flow> falling;
  for (const double t : {0.001, 0.01, 0.3, 0.5, 0.9, 0.999}) {
    const auto level = tf::level_at(rectified_flow{}, t);
    const double fall = 2 / (t * (1 - t)), ratio = (1 - t) * (1 - t) / (t * t);
    const double shape = 1 / (1 + ratio * std::exp(-2.0));
    close(bound(level, {0, 1}), fall / 2, 1e-6);
    close(falling(level, {0, 1}), shape * fall / 2, 1e-6);
    close(falling(level, {-1, 1}), shape * fall / 2 * (1 - t) * (1 - t), 1e-6);
    close(falling(level, {1, 0}), shape * fall / 2 * ratio, 1e-6);
  }
  const per_schedule<cosine, tf::weighting::shape::likelihood> of_cosine;
  const double speed = std::acos(-1.0) / 2 / 1.008;
  for (const double t : {0.1, 0.5, 0.9}) {
    const auto level = tf::level_at(cosine{}, t);
    const double angle = (t + 0.008) * speed, first = 0.008 * speed;
    const double power = std::pow(std::cos(angle) / std::cos(first), 2);
    const double fall = std::sin(2 * angle) * speed / std::pow(std::cos(first), 2) / (power * (1 - power));
    close(of_cosine(level, {0, 1}), fall / 2, 1e-6);
  }
}

// The integral of the weight over t is ½ ∫ w dλ between the same λ, on every schedule.
BOOST_AUTO_TEST_CASE(every_schedule_has_the_same_integral) {
  for_each_schedule([](auto schedule) {
    const per_schedule<decltype(schedule)> weighting;
    const double from = level_of_log_snr(schedule, 5).time, to = level_of_log_snr(schedule, -5).time;
    const int points = 20000;
    double sum = 0;
    for (int i = 0; i < points; ++i) {
      const double t = from + (to - from) * (i + 0.5) / points;
      sum += weighting(tf::level_at(schedule, t), {0, 1}) * (to - from) / points;
    }
    close(sum, 0.5 * (std::log1p(std::exp(7.0)) - std::log1p(std::exp(-3.0))), 1e-4);
  });
}

BOOST_AUTO_TEST_CASE(weights_of_the_schedule_are_finite_at_its_ends) {
  const per_schedule<rectified_flow> falling;
  const tf::noise_level clean{0, 1, 0}, pure{1, 0, 1};
  BOOST_TEST(falling(clean, {-1, 1}) == 0);
  BOOST_TEST(falling(pure, {-1, 1}) == 0);
  BOOST_TEST(falling(pure, {1, 0}) == 0);
  for_each_schedule([](auto schedule) {
    for_each_target([&](auto predicted) {
      for (const double t : {0.0, 0.001, 0.5, 1.0}) {
        const auto level = tf::level_at(schedule, t);
        const double found = per_schedule<decltype(schedule)>{}(level, predicted.of(level.signal, level.noise));
        BOOST_TEST((std::isfinite(found) && found >= 0));
      }
    });
  });
}
