// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE diffusion_flow
#include <boost/test/unit_test.hpp>
#include <string>

#include "diffusion/exact_flow.hpp"
#include "transfusion/diffusion/concepts.hpp"
#include "transfusion/diffusion/schedule/cosine.hpp"
#include "transfusion/diffusion/schedule/linear.hpp"
#include "transfusion/diffusion/schedule/rectified_flow.hpp"
#include "transfusion/diffusion/solver/ddim.hpp"
#include "transfusion/diffusion/solver/ddpm.hpp"
#include "transfusion/diffusion/solver/dpm_pp_2m.hpp"
#include "transfusion/diffusion/solver/euler.hpp"
#include "transfusion/diffusion/solver/heun.hpp"
#include "transfusion/diffusion/solver/midpoint.hpp"
#include "transfusion/diffusion/solver/rehearsal.hpp"
#include "transfusion/diffusion/solver/rk4.hpp"
#include "transfusion/diffusion/solver/rk45.hpp"
#include "transfusion/diffusion/target/noise.hpp"
#include "transfusion/diffusion/target/velocity.hpp"

using namespace solver_test;
using tf::schedule::cosine;
using tf::schedule::rectified_flow;

static_assert(tf::step_solver<tf::solver::euler> && tf::step_solver<tf::solver::ddpm_large>);
static_assert(tf::free_solver<tf::solver::heun> && tf::free_solver<tf::solver::midpoint>);
static_assert(tf::free_solver<tf::solver::rk4> && tf::free_solver<tf::solver::rk45>);
static_assert(tf::free_solver<tf::solver::dpm_pp_2m> && !tf::step_solver<tf::solver::dpm_pp_2m>);

namespace {

template <class Error, class Call>
void fails_saying(Call call, const char* words) {
  BOOST_CHECK_EXCEPTION(call(), Error,
                        [&](const Error& e) { return std::string(e.what()).find(words) != std::string::npos; });
}

}  // namespace

// The flow itself: of one normal it scales the distance from the mean by the deviation.
BOOST_AUTO_TEST_CASE(the_exact_flow_of_a_normal_is_the_closed_one) {
  const auto from = tf::level_at(cosine{}, 0.8), to = tf::level_at(cosine{}, 0.1);
  const auto deviation = [](const tf::noise_level& l) { return std::hypot(0.6 * l.signal, l.noise); };
  for (double x : starts) {
    const double closed = 0.4 * to.signal + (x - 0.4 * from.signal) * deviation(to) / deviation(from);
    BOOST_TEST(std::abs(one_normal.flow(x, from, to) - closed) < 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(eulers_method_is_ddim_on_every_schedule) {
  const auto compare = [](auto schedule) {
    for (int from = 1000; from >= 1; from -= 37)
      for (int to = 0; to < from; to += 41) {
        const auto now = tf::level_at(schedule, from / 1000.0), next = tf::level_at(schedule, to / 1000.0);
        const auto a = tf::solver::euler::step(now, next), b = tf::solver::ddim{}.step(now, next);
        BOOST_TEST(std::abs(a.on_x - b.on_x) < 1e-14);
        BOOST_TEST(std::abs(a.on_data - b.on_data) < 1e-14);
        BOOST_TEST(a.fresh_noise == 0);
      }
  };
  compare(cosine{});
  compare(tf::schedule::linear{});
  compare(rectified_flow{});
}

BOOST_AUTO_TEST_CASE(every_solver_ends_at_the_data_from_pure_noise) {
  const auto check = [](const auto& solver, double near) {
    const double found = distance_from_flow<rectified_flow>(solver, two_normals, even_times(1, 0, 100));
    BOOST_TEST(found < near, found);
  };
  check(tf::solver::euler{}, 0.03);
  check(tf::solver::heun{}, 2e-4);
  check(tf::solver::midpoint{}, 1e-4);
  check(tf::solver::dpm_pp_2m{}, 2e-3);
  check(tf::solver::rk4{}, 1e-6);
  check(tf::solver::rk45{}, 1e-2);
}

BOOST_AUTO_TEST_CASE(adaptive_steps_meet_their_tolerance) {
  tf::index_t before = 0;
  for (double tolerance : {1e-2, 1e-4, 1e-6, 1e-8}) {
    const tf::solver::rk45 solver{.absolute = tolerance, .relative = tolerance};
    for (const mixture& data : {one_normal, two_normals}) {
      BOOST_TEST(distance_from_flow<cosine>(solver, data, {0.95, 0.8, 0.1}) < 8 * tolerance);
      BOOST_TEST(distance_from_flow<rectified_flow>(solver, data, {1, 0.8, 0.1}) < 8 * tolerance);
      // The last, straight step to the clean image errs by the square of its share of noise.
      const tf::solver::rk45 to_the_end{.absolute = tolerance, .relative = tolerance, .last_time = 1e-5};
      BOOST_TEST(distance_from_flow<rectified_flow>(to_the_end, data, {1, 0.8, 0}) < 8 * tolerance);
    }
    exact_run<cosine> run(two_normals, starts);
    solver(run, {0.95, 0.8, 0.1});
    BOOST_TEST(run.evaluations > before);
    before = run.evaluations;
  }
  // Order 5: 10⁶ times less error for about 10^(6/5) times the evaluations.
  BOOST_TEST(before < 16 * 40);
}

BOOST_AUTO_TEST_CASE(adaptive_steps_are_short_where_the_flow_bends) {
  const mixture sharp{{{0.5, -0.8, 0.01}, {0.5, 0.8, 0.01}}};
  exact_run<rectified_flow> run(sharp, {0.05});
  tf::solver::rk45{.absolute = 1e-6, .relative = 1e-6}(run, {1, 0.5, 0});
  BOOST_TEST(std::abs(run.values()[0] - sharp.flow(0.05, {1, 0, 1}, {0, 1, 0})) < 1e-3);
  double shortest = 1, longest = 0;
  for (std::size_t k = 1; k + 1 < run.levels.size(); ++k) {
    const double taken = run.levels[k - 1].time - run.levels[k].time;
    BOOST_TEST(taken > 0);
    shortest = std::fmin(shortest, taken);
    longest = std::fmax(longest, taken);
  }
  BOOST_TEST(shortest < longest / 10);
  BOOST_TEST(run.levels.back().time == 0);
}

BOOST_AUTO_TEST_CASE(an_adaptive_solver_gives_up_where_no_step_is_short_enough) {
  struct nothing {
    double data(double, const tf::noise_level&) const { return std::nan(""); }
  };
  exact_run<rectified_flow, nothing> run({}, {0.5});
  fails_saying<tf::numeric_error>([&] { tf::solver::rk45{}(run, {1, 0.5, 0}); }, "no step short enough at time 1");
  exact_run<rectified_flow> good(one_normal, {0.5});
  fails_saying<tf::config_error>(
      [&] {
        tf::solver::rk45{.absolute = 0, .relative = 0}(good, {1, 0.5, 0});
      },
      "found tolerances 0 and 0");
  fails_saying<tf::config_error>([&] { tf::solver::rk45{.last_time = 0}(good, {1, 0.5, 0}); }, "last_time");
}

BOOST_AUTO_TEST_CASE(evaluations_are_those_of_the_method) {
  const auto count = [](const auto& solver) {
    exact_run<rectified_flow> run(two_normals, starts);
    tf::solve(solver, run, even_times(1, 0, 10));
    BOOST_TEST(run.levels.size() == 10U);
    tf::detail::rehearsal<tf::target::velocity, rectified_flow> dry(rectified_flow{});
    tf::solve(solver, dry, even_times(1, 0, 10));
    BOOST_TEST(dry.evaluations() == run.evaluations);
    return run.evaluations;
  };
  BOOST_TEST(count(tf::solver::ddpm{}) == 10);
  BOOST_TEST(count(tf::solver::euler{}) == 10);
  BOOST_TEST(count(tf::solver::dpm_pp_2m{}) == 10);
  BOOST_TEST(count(tf::solver::heun{}) == 19);
  BOOST_TEST(count(tf::solver::midpoint{}) == 20);
  BOOST_TEST(count(tf::solver::rk4{}) == 39);
}

BOOST_AUTO_TEST_CASE(steps_of_higher_methods_must_descend_too) {
  const auto refuses = [](const auto& solver, const char* name) {
    exact_run<rectified_flow> run(one_normal, {0.5});
    fails_saying<tf::config_error>([&] { solver(run, {0.5, 0.7, 0}); }, name);
  };
  refuses(tf::solver::heun{}, "heun: found a step from time 0.5");
  refuses(tf::solver::midpoint{}, "midpoint: found a step");
  refuses(tf::solver::rk4{}, "rk4: found a step");
  refuses(tf::solver::dpm_pp_2m{}, "dpm_pp_2m: found a step");
  exact_run<rectified_flow> run(one_normal, {0.5});
  fails_saying<tf::config_error>([&] { tf::solver::rk45{}(run, {0.5, 0.7}); }, "rk45: found a step from time 0.5");
  fails_saying<tf::config_error>([&] { tf::solver::euler::step({0.5, 0.5, 0.5}, {0.7, 0.3, 0.7}); }, "euler: found");
}

// --- ancestral sampling
// -----------------------------------------------------------------------------------------------

namespace {

/// The variance of x after a run over data N(0, deviation²), followed exactly: each step is affine in x.
template <class Schedule, class Solver>
double variance_at_the_end(const Solver& solver, double deviation, const std::vector<double>& times) {
  const auto start = tf::level_at(Schedule{}, times.front());
  double variance = std::pow(start.signal * deviation, 2) + start.noise * start.noise;
  for (std::size_t k = 0; k + 1 < times.size(); ++k) {
    const auto now = tf::level_at(Schedule{}, times[k]), next = tf::level_at(Schedule{}, times[k + 1]);
    const auto step = solver.step(now, next);
    const double all = std::pow(now.signal * deviation, 2) + now.noise * now.noise;
    const double gain = step.on_x + step.on_data * now.signal * deviation * deviation / all;
    variance = gain * gain * variance + step.fresh_noise * step.fresh_noise;
  }
  return variance;
}

}  // namespace

// Ho et al. 2020, §3.2: the two variances are right for N(0, I) and for one single image, whatever the steps.
BOOST_AUTO_TEST_CASE(each_variance_of_ddpm_is_exact_for_its_own_data) {
  const auto check = [](auto schedule) {
    using schedule_type = decltype(schedule);
    for (int steps : {2, 5, 50}) {
      const auto times = even_times(0.98, 0.04, steps);
      const auto end = tf::level_at(schedule, 0.04);
      const double of_one_image = variance_at_the_end<schedule_type>(tf::solver::ddpm{}, 0, times);
      const double of_normal_data = variance_at_the_end<schedule_type>(tf::solver::ddpm_large{}, 1, times);
      BOOST_TEST(std::abs(of_one_image - end.noise * end.noise) < 1e-12);
      BOOST_TEST(std::abs(of_normal_data - (end.signal * end.signal + end.noise * end.noise)) < 1e-12);
    }
  };
  check(cosine{});
  check(tf::schedule::linear{});
  check(rectified_flow{});
}

// The mean of x̂0 is the data's, so each step takes the mean signal·m to the next one's, whatever the variance.
BOOST_AUTO_TEST_CASE(every_step_keeps_the_mean_of_normal_data) {
  const auto check = [](auto schedule, const auto& solver) {
    for (int steps : {2, 5, 50}) {
      const auto times = even_times(0.98, 0, steps);
      double mean = tf::level_at(schedule, 0.98).signal * 0.4;
      for (std::size_t k = 0; k + 1 < times.size(); ++k) {
        const auto now = tf::level_at(schedule, times[k]), next = tf::level_at(schedule, times[k + 1]);
        const auto step = solver.step(now, next);
        mean = step.on_x * mean + step.on_data * one_normal.data(mean, now);
        BOOST_TEST(std::abs(mean - 0.4 * next.signal) < 1e-13);
      }
    }
  };
  const auto check_solvers = [&](auto schedule) {
    check(schedule, tf::solver::ddpm{});
    check(schedule, tf::solver::ddpm_large{});
    check(schedule, tf::solver::ddim{.eta = 0.6});
    check(schedule, tf::solver::euler{});
  };
  check_solvers(cosine{});
  check_solvers(rectified_flow{});
}

// ddim's fresh noise is what the old noise gives up: right for one image whatever eta.
BOOST_AUTO_TEST_CASE(the_variance_of_ddim_is_exact_for_one_image) {
  for (double eta : {0.0, 0.3, 1.0})
    for (int steps : {2, 5, 50}) {
      const auto times = even_times(0.98, 0.04, steps);
      const auto check = [&](auto schedule) {
        const double found = variance_at_the_end<decltype(schedule)>(tf::solver::ddim{.eta = eta}, 0, times);
        BOOST_TEST(std::abs(found - std::pow(tf::level_at(schedule, 0.04).noise, 2)) < 1e-12);
      };
      check(cosine{});
      check(rectified_flow{});
    }
}

BOOST_AUTO_TEST_CASE(both_variances_of_ddpm_tend_to_that_of_the_data) {
  for (double deviation : {0.3, 0.7}) {
    const double expected = deviation * deviation;
    double small_before = INFINITY, large_before = INFINITY;
    for (int steps : {25, 100, 400, 1600}) {
      const auto times = even_times(0.99, 0, steps);
      const double small = std::abs(variance_at_the_end<cosine>(tf::solver::ddpm{}, deviation, times) - expected);
      const double large = std::abs(variance_at_the_end<cosine>(tf::solver::ddpm_large{}, deviation, times) - expected);
      BOOST_TEST(small < small_before / 2);
      BOOST_TEST(large < large_before / 2);
      small_before = small;
      large_before = large;
    }
    BOOST_TEST(small_before < 0.01 * expected);
    BOOST_TEST(large_before < 0.01 * expected);
  }
}

BOOST_AUTO_TEST_CASE(ddpm_large_is_hos_beta_and_ends_without_noise) {
  for (int n = 2; n <= 1000; n += 7) {
    const auto now = tf::level_at(cosine{}, n / 1000.0), next = tf::level_at(cosine{}, (n - 1) / 1000.0);
    const double beta = 1 - std::pow(now.signal / next.signal, 2);
    const auto large = tf::solver::ddpm_large::step(now, next), small = tf::solver::ddpm::step(now, next);
    BOOST_TEST(std::abs(large.fresh_noise - std::sqrt(beta)) < 1e-11);
    BOOST_TEST(large.on_x == small.on_x);
    BOOST_TEST(large.on_data == small.on_data);
  }
  const auto last = tf::solver::ddpm_large::step(tf::level_at(cosine{}, 0.001), tf::level_at(cosine{}, 0));
  BOOST_TEST(last.fresh_noise == 0);
}

// The numbers that `solve` draws are those of the step: the samples have the exact variance of the recursion.
BOOST_AUTO_TEST_CASE(samples_have_the_variance_of_the_recursion) {
  const int count = 20000;
  const auto times = even_times(0.99, 0, 40);
  const auto check = [&](auto solver) {
    const auto start = tf::level_at(cosine{}, 0.99);
    std::vector<double> x(count);
    double four[4];
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (i % 4 == 0) tf::normal_block({5, 0, tf::stream::first_noise}, i / 4, four);
      x[i] = std::hypot(0.7 * start.signal, start.noise) * four[i % 4];
    }
    exact_run<cosine> run({{{1, 0, 0.7}}}, x);
    tf::solve(solver, run, times);
    double squares = 0;
    for (double v : run.values()) squares += v * v / count;
    const double expected = variance_at_the_end<cosine>(solver, 0.7, times);
    BOOST_TEST(std::abs(squares - expected) < 5 * expected * std::sqrt(2.0 / count), squares << ", " << expected);
  };
  check(tf::solver::ddpm{});
  check(tf::solver::ddpm_large{});
}
