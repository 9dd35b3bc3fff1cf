// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE diffusion_order
#include <boost/test/unit_test.hpp>

#include "diffusion/exact_flow.hpp"
#include "transfusion/diffusion/schedule/cosine.hpp"
#include "transfusion/diffusion/schedule/rectified_flow.hpp"
#include "transfusion/diffusion/schedule/sigmoid.hpp"
#include "transfusion/diffusion/solver/ddim.hpp"
#include "transfusion/diffusion/solver/dpm_pp_2m.hpp"
#include "transfusion/diffusion/solver/euler.hpp"
#include "transfusion/diffusion/solver/heun.hpp"
#include "transfusion/diffusion/solver/midpoint.hpp"
#include "transfusion/diffusion/solver/rk4.hpp"
#include "transfusion/diffusion/solver/rk45.hpp"

using namespace solver_test;
using tf::schedule::cosine;
using tf::schedule::rectified_flow;
namespace solver = tf::solver;

namespace {

/// How much the distance falls when the steps are halved, in powers of two.
template <class Schedule, class Solver>
void check_order(double order, const mixture& data, double from, double to, int steps, double slack = 0.2) {
  const double coarse = distance_from_flow<Schedule>(Solver{}, data, even_times(from, to, steps));
  const double fine = distance_from_flow<Schedule>(Solver{}, data, even_times(from, to, 2 * steps));
  const double found = std::log2(coarse / fine);
  BOOST_TEST_MESSAGE("order " << found << " (" << coarse << " to " << fine << "), expected " << order);
  BOOST_TEST(std::abs(found - order) < slack,
             "order " << found << " (" << coarse << " to " << fine << "), expected " << order);
}

template <class Schedule, class Solver>
void check_orders(double order, double from, double to, int steps) {
  check_order<Schedule, Solver>(order, one_normal, from, to, steps);
  check_order<Schedule, Solver>(order, two_normals, from, to, steps);
}

/// The order of every solver between two noisy times of a schedule.
template <class Schedule>
void check_all_orders(double from, double to) {
  check_orders<Schedule, solver::euler>(1, from, to, 128);
  check_orders<Schedule, solver::ddim>(1, from, to, 128);
  check_orders<Schedule, solver::heun>(2, from, to, 64);
  check_order<Schedule, solver::midpoint>(2, two_normals, from, to, 64);  // on one normal it has order 3
  check_orders<Schedule, solver::dpm_pp_2m>(2, from, to, 128);
  check_order<Schedule, solver::rk4>(4, one_normal, from, to, 32, 0.45);  // its leading terms nearly cancel there
  check_order<Schedule, solver::rk4>(4, two_normals, from, to, 32);
}

}  // namespace

BOOST_AUTO_TEST_CASE(methods_have_their_order_on_the_cosine_schedule) { check_all_orders<cosine>(0.95, 0.1); }

BOOST_AUTO_TEST_CASE(methods_have_their_order_on_a_rectified_flow) { check_all_orders<rectified_flow>(0.95, 0.1); }

BOOST_AUTO_TEST_CASE(methods_have_their_order_on_the_sigmoid_schedule) {
  check_all_orders<tf::schedule::sigmoid>(0.95, 0.1);
}

// Signal 0 at the beginning, and noise 0 at the end.
BOOST_AUTO_TEST_CASE(methods_have_their_order_from_pure_noise_to_clean_data) {
  check_orders<rectified_flow, solver::euler>(1, 1, 0, 128);
  check_orders<rectified_flow, solver::ddim>(1, 1, 0, 128);
  check_orders<rectified_flow, solver::heun>(2, 1, 0, 64);
  check_order<rectified_flow, solver::midpoint>(2, two_normals, 1, 0, 64);
  check_orders<rectified_flow, solver::rk4>(4, 1, 0, 32);
}

namespace {

/// The order of rk45 in its evaluations, at tolerances so small that all of its steps are short.
template <class Schedule>
void check_adaptive_order(double from, double to) {
  const auto run_at = [&](double tolerance) {
    const solver::rk45 solver{.absolute = tolerance, .relative = tolerance};
    exact_run<Schedule> run(two_normals, starts);
    solver(run, {from, from + (to - from) / 4, to});
    return std::pair(static_cast<double>(run.evaluations),
                     distance_from_flow<Schedule>(solver, two_normals, {from, from + (to - from) / 4, to}));
  };
  const auto [few, coarse] = run_at(1e-11);
  const auto [many, fine] = run_at(1e-12);
  const double found = std::log(coarse / fine) / std::log(many / few);
  BOOST_TEST_MESSAGE("rk45: order " << found << ", " << few << " and " << many << " evaluations, " << coarse << " to "
                                    << fine);
  BOOST_TEST((found > 4.6 && found < 5.6), "order " << found);
  BOOST_TEST(coarse < 8e-11);
  BOOST_TEST(fine < 8e-12);
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_adaptive_method_has_order_five) {
  check_adaptive_order<cosine>(0.95, 0.1);
  check_adaptive_order<rectified_flow>(0.95, 0.1);
}

// One for the first slope, six for each attempt, whose last is the next step's first; one for the step to the clean
// image.
BOOST_AUTO_TEST_CASE(the_adaptive_method_counts_its_evaluations) {
  for (double tolerance : {1e-2, 1e-4, 1e-7}) {
    const solver::rk45 solver{.absolute = tolerance, .relative = tolerance};
    exact_run<rectified_flow> noisy(two_normals, starts), clean(two_normals, starts);
    solver(noisy, {1, 0.5, 0.1});
    BOOST_TEST(noisy.evaluations == 1 + 6 * noisy.errors);
    BOOST_TEST(noisy.errors >= static_cast<tf::index_t>(noisy.levels.size()));
    solver(clean, {1, 0.5, 0});
    BOOST_TEST(clean.evaluations == 2 + 6 * clean.errors);
    BOOST_TEST(clean.levels.back().noise == 0);
  }
}
