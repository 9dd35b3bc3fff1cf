// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE diffusion_solver
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "transfusion/core/philox.hpp"
#include "transfusion/diffusion/concepts.hpp"
#include "transfusion/diffusion/schedule/cosine.hpp"
#include "transfusion/diffusion/schedule/linear.hpp"
#include "transfusion/diffusion/schedule/rectified_flow.hpp"
#include "transfusion/diffusion/solver/ddim.hpp"
#include "transfusion/diffusion/solver/ddpm.hpp"
#include "transfusion/diffusion/spacing.hpp"

namespace tf = transfusion;

static_assert(tf::diffusion_solver<tf::solver::ddpm>);
static_assert(tf::diffusion_solver<tf::solver::ddim>);

namespace {

struct one_level {
  tf::solver_step step(const tf::noise_level&) const { return {}; }
};
struct no_step {
  double step(const tf::noise_level&, const tf::noise_level&) const { return 0; }
};
static_assert(!tf::diffusion_solver<one_level>);
static_assert(!tf::diffusion_solver<no_step>);

void near(double found, double expected, double bound) {
  BOOST_TEST(std::abs(found - expected) <= bound, "found " << found << ", expected " << expected << " to " << bound);
}

/// Ho et al. 2020, eq. 7, from the table of betas.
template <class Schedule>
void compare_with_ho() {
  const Schedule schedule;
  for (int n = 2; n <= 1000; ++n) {
    const auto now = tf::level_at(schedule, n / 1000.0), next = tf::level_at(schedule, (n - 1) / 1000.0);
    const double abar = std::pow(now.signal, 2), abar_before = std::pow(next.signal, 2);
    const double beta = 1 - abar / abar_before;
    const auto step = tf::solver::ddpm::step(now, next);
    near(step.on_data, beta * std::sqrt(abar_before) / (1 - abar), 1e-11);
    near(step.on_x, (1 - abar_before) * std::sqrt(1 - beta) / (1 - abar), 1e-11);
    near(step.fresh_noise, std::sqrt(beta * (1 - abar_before) / (1 - abar)), 1e-11);
  }
}

/// Runs a solver from noise to the clean image with a prediction that is always right.
template <class Schedule, class Solver>
double sample_with_perfect_prediction(const Solver& solver, int steps, double x0) {
  const auto times = tf::respaced_times(steps);
  const tf::random_key key{.seed = 7};
  double x = 1.3;
  for (std::size_t i = 0; i + 1 < times.size(); ++i) {
    const auto step = solver.step(tf::level_at(Schedule{}, times[i]), tf::level_at(Schedule{}, times[i + 1]));
    double z[4];
    tf::normal_block(key, i, z);
    x = step.on_x * x + step.on_data * x0 + step.fresh_noise * z[0];
  }
  return x;
}

template <class Schedule>
void ends_at_the_data() {
  for (const int steps : {1, 2, 25, 250, 1000}) {
    BOOST_TEST(sample_with_perfect_prediction<Schedule>(tf::solver::ddpm{}, steps, 0.7) == 0.7);
    BOOST_TEST(sample_with_perfect_prediction<Schedule>(tf::solver::ddim{}, steps, 0.7) == 0.7);
    BOOST_TEST(sample_with_perfect_prediction<Schedule>(tf::solver::ddim{.eta = 0.5}, steps, 0.7) == 0.7);
  }
}

template <class Schedule>
void stays_on_the_path() {
  const double x0 = -0.6, e = 1.9;
  for (int from = 1; from <= 1000; from += 37)
    for (int to = 0; to < from; to += 41) {
      const auto now = tf::level_at(Schedule{}, from / 1000.0), next = tf::level_at(Schedule{}, to / 1000.0);
      const auto step = tf::solver::ddim{}.step(now, next);
      near(step.on_x * (now.signal * x0 + now.noise * e) + step.on_data * x0, next.signal * x0 + next.noise * e, 1e-14);
      BOOST_TEST(step.fresh_noise == 0);
    }
}

/// A step keeps the law of x_t: signal·x0 as its mean, noise² as its variance.
template <class Schedule, class Solver>
void keeps_the_marginals(const Solver& solver) {
  for (int from = 2; from <= 1000; from += 13) {
    const auto now = tf::level_at(Schedule{}, from / 1000.0), next = tf::level_at(Schedule{}, (from / 2) / 1000.0);
    const auto step = solver.step(now, next);
    near(step.on_x * now.signal + step.on_data, next.signal, 1e-14);
    near(std::pow(step.on_x * now.noise, 2) + std::pow(step.fresh_noise, 2), std::pow(next.noise, 2), 1e-14);
  }
}

template <class Error, class Call>
void fails_saying(Call call, const char* words) {
  BOOST_CHECK_EXCEPTION(call(), Error,
                        [&](const Error& e) { return std::string(e.what()).find(words) != std::string::npos; });
}

}  // namespace

BOOST_AUTO_TEST_CASE(ddpm_is_hos_posterior) {
  compare_with_ho<tf::schedule::cosine>();
  compare_with_ho<tf::schedule::linear>();
}

BOOST_AUTO_TEST_CASE(ddpm_respaced_uses_the_beta_between_the_two_levels) {
  const tf::schedule::cosine schedule;
  const auto now = tf::level_at(schedule, 0.992), next = tf::level_at(schedule, 0.988);
  const double beta = 1 - std::pow(now.signal / next.signal, 2);
  const auto step = tf::solver::ddpm::step(now, next);
  near(step.on_data, beta * next.signal / std::pow(now.noise, 2), 1e-12);
  near(step.fresh_noise, std::sqrt(beta) * next.noise / now.noise, 1e-12);
}

BOOST_AUTO_TEST_CASE(an_error_on_the_first_steps_grows_as_the_cosine_table_says) {
  const tf::schedule::cosine schedule;
  const auto gain = [&](double t, double s) {
    const auto now = tf::level_at(schedule, t);
    return tf::solver::ddpm::step(now, tf::level_at(schedule, s)).on_data * now.noise / now.signal;
  };
  near(gain(1.000, 0.999), 31.6, 0.05);
  near(gain(1.000, 0.996), 126.5, 0.05);
}

BOOST_AUTO_TEST_CASE(a_perfect_prediction_ends_at_the_data) {
  ends_at_the_data<tf::schedule::cosine>();
  ends_at_the_data<tf::schedule::linear>();
  ends_at_the_data<tf::schedule::rectified_flow>();
}

BOOST_AUTO_TEST_CASE(ddim_without_fresh_noise_stays_on_the_path) {
  stays_on_the_path<tf::schedule::cosine>();
  stays_on_the_path<tf::schedule::linear>();
  stays_on_the_path<tf::schedule::rectified_flow>();
}

BOOST_AUTO_TEST_CASE(steps_keep_the_marginals) {
  keeps_the_marginals<tf::schedule::cosine>(tf::solver::ddpm{});
  keeps_the_marginals<tf::schedule::linear>(tf::solver::ddim{.eta = 0.3});
  keeps_the_marginals<tf::schedule::rectified_flow>(tf::solver::ddpm{});
  keeps_the_marginals<tf::schedule::rectified_flow>(tf::solver::ddim{.eta = 0.8});
}

BOOST_AUTO_TEST_CASE(ddim_with_all_noise_fresh_is_ddpm) {
  const tf::schedule::cosine schedule;
  for (int n = 9; n <= 1000; n += 9) {
    const auto now = tf::level_at(schedule, n / 1000.0), next = tf::level_at(schedule, (n - 4) / 1000.0);
    const auto a = tf::solver::ddim{.eta = 1}.step(now, next);
    const auto b = tf::solver::ddpm::step(now, next);
    near(a.on_x, b.on_x, 1e-12);
    near(a.on_data, b.on_data, 1e-12);
    near(a.fresh_noise, b.fresh_noise, 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(ddim_on_a_rectified_flow_is_eulers_method) {
  const tf::schedule::rectified_flow schedule;
  const double x0 = 0.4, x = 1.1, t = 0.8, s = 0.55;
  const auto step = tf::solver::ddim{}.step(tf::level_at(schedule, t), tf::level_at(schedule, s));
  near(step.on_x * x + step.on_data * x0, x + (s - t) * (x - x0) / t, 1e-15);
}

BOOST_AUTO_TEST_CASE(the_last_step_adds_no_noise) {
  const tf::schedule::cosine schedule;
  const auto step = tf::solver::ddpm::step(tf::level_at(schedule, 0.001), tf::level_at(schedule, 0));
  BOOST_TEST(step.on_x == 0);
  BOOST_TEST(step.on_data == 1);
  BOOST_TEST(step.fresh_noise == 0);
}

BOOST_AUTO_TEST_CASE(a_step_that_does_not_descend_is_an_error) {
  const tf::schedule::cosine schedule;
  const auto high = tf::level_at(schedule, 0.7), low = tf::level_at(schedule, 0.2), clean = tf::level_at(schedule, 0);
  fails_saying<tf::config_error>([&] { tf::solver::ddpm::step(low, high); }, "ddpm: found a step from time 0.2");
  fails_saying<tf::config_error>([&] { tf::solver::ddpm::step(low, low); }, "to time 0.2");
  fails_saying<tf::config_error>([&] { tf::solver::ddim{}.step(low, high); }, "ddim: found a step");
  fails_saying<tf::config_error>([&] { tf::solver::ddim{}.step(clean, clean); }, "ddim: found a step");
  fails_saying<tf::config_error>([&] { tf::solver::ddim{.eta = 1.5}.step(high, low); }, "found eta 1.5");
  fails_saying<tf::config_error>([&] { tf::solver::ddim{.eta = -0.1}.step(high, low); }, "found eta");
  const tf::noise_level pure{1, 0, 1}, also_pure{0.9, 0, 1};
  fails_saying<tf::config_error>([&] { tf::solver::ddpm::step(pure, also_pure); }, "found no signal at time 0.9");
  fails_saying<tf::config_error>([&] { tf::solver::ddim{.eta = 1}.step(pure, also_pure); }, "found no signal");
}

BOOST_AUTO_TEST_CASE(spacing_has_the_published_indices) {
  const auto times = tf::respaced_times(250);
  BOOST_TEST(times.size() == 251u);
  BOOST_TEST(times.back() == 0);
  const auto index = [&](std::size_t k) { return std::lround(times[249 - k] * 1000) - 1; };
  const std::vector<std::pair<std::size_t, long>> published = {{0, 0},     {1, 4},     {2, 8},    {3, 12},
                                                               {247, 991}, {248, 995}, {249, 999}};
  for (const auto& [k, i] : published) BOOST_TEST(index(k) == i);
  for (std::size_t k = 0; k < 250; ++k) BOOST_TEST(index(k) == std::lround(static_cast<double>(k) * (999.0 / 249)));
}

BOOST_AUTO_TEST_CASE(spacing_of_every_step_and_of_few) {
  const auto all = tf::respaced_times(1000);
  for (int n = 1000; n >= 0; --n) BOOST_TEST(all[static_cast<std::size_t>(1000 - n)] == n / 1000.0);
  BOOST_TEST(tf::respaced_times(1) == (std::vector<double>{1, 0}));
  BOOST_TEST(tf::respaced_times(2) == (std::vector<double>{1, 0.001, 0}));
  BOOST_TEST(tf::respaced_times(3) == (std::vector<double>{1, 0.501, 0.001, 0}));  // 499.5 goes to the even index 500
  BOOST_TEST(tf::respaced_times(4, 4) == (std::vector<double>{1, 0.75, 0.5, 0.25, 0}));
  for (int steps = 1; steps <= 1000; steps += 3) {
    const auto times = tf::respaced_times(steps);
    for (std::size_t i = 1; i < times.size(); ++i) BOOST_TEST(times[i] < times[i - 1]);
  }
}

BOOST_AUTO_TEST_CASE(an_impossible_number_of_steps_is_an_error) {
  fails_saying<tf::config_error>([] { tf::respaced_times(0); }, "found 0 steps, expected 1 to 1000");
  fails_saying<tf::config_error>([] { tf::respaced_times(-3); }, "found -3 steps");
  fails_saying<tf::config_error>([] { tf::respaced_times(1001); }, "found 1001 steps");
  fails_saying<tf::config_error>([] { tf::respaced_times(11, 10); }, "expected 1 to 10");
}
