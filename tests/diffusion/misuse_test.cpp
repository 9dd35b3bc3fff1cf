// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE diffusion_misuse
#include <boost/test/unit_test.hpp>
#include <initializer_list>
#include <string>
#include <vector>

#include "transfusion/diffusion/concepts.hpp"
#include "transfusion/diffusion/schedule/cosine.hpp"
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
#include "transfusion/diffusion/spacing.hpp"
#include "transfusion/diffusion/target/data.hpp"
#include "transfusion/diffusion/target/noise.hpp"
#include "transfusion/diffusion/target/v.hpp"
#include "transfusion/diffusion/target/velocity.hpp"

// Policies that do not work together are found by a run without images, and the message names them.
namespace tf = transfusion;
using tf::detail::rehearse;
using tf::schedule::cosine;
using tf::schedule::rectified_flow;

namespace {

/// No signal is left from t = 0.75 on.
struct early_end {
  static double signal(double t) { return t < 0.75 ? 1 - t / 0.75 : 0; }
  static double noise(double t) { return t < 0.75 ? t / 0.75 : 1; }
};
/// Predicts x_t, which the model sees already.
struct what_is_seen {
  static tf::coefficients of(double a, double b) { return {.data = a, .noise = b}; }
};

const std::vector<double> four_steps = {1, 0.75, 0.5, 0.25, 0};

template <class Call>
void fails_naming(Call call, std::initializer_list<const char*> words) {
  BOOST_CHECK_EXCEPTION(call(), tf::config_error, [&](const tf::config_error& e) {
    const std::string text = e.what();
    BOOST_TEST_MESSAGE(text);
    for (const char* word : words)
      if (text.find(word) == std::string::npos) return false;
    return true;
  });
}

template <class F>
void for_each_solver(F f) {
  f(tf::solver::ddpm{});
  f(tf::solver::ddpm_large{});
  f(tf::solver::ddim{});
  f(tf::solver::euler{});
  f(tf::solver::heun{});
  f(tf::solver::midpoint{});
  f(tf::solver::rk4{});
  f(tf::solver::rk45{});
  f(tf::solver::dpm_pp_2m{});
}

}  // namespace

BOOST_AUTO_TEST_CASE(noise_cannot_be_the_target_where_no_signal_is_left) {
  for_each_solver([](auto solver) {
    const std::string who = tf::policy_name<decltype(solver)>() + " on schedule::rectified_flow with target::noise: ";
    fails_naming([&] { rehearse<tf::target::noise>(solver, rectified_flow{}, four_steps); },
                 {who.c_str(), "cannot recover the data at time 1 (signal 0, noise 1)"});
    BOOST_CHECK_NO_THROW(rehearse<tf::target::noise>(solver, rectified_flow{}, {0.99, 0.5, 0}));
    BOOST_CHECK_NO_THROW(rehearse<tf::target::noise>(solver, cosine{}, four_steps));
    BOOST_CHECK_NO_THROW(rehearse<tf::target::velocity>(solver, rectified_flow{}, four_steps));
    BOOST_CHECK_NO_THROW(rehearse<tf::target::velocity>(solver, cosine{}, four_steps));
    BOOST_CHECK_NO_THROW(rehearse<tf::target::v>(solver, rectified_flow{}, four_steps));
    BOOST_CHECK_NO_THROW(rehearse<tf::target::data>(solver, rectified_flow{}, four_steps));
  });
}

BOOST_AUTO_TEST_CASE(a_target_that_says_nothing_new_names_itself) {
  for_each_solver([](auto solver) {
    fails_naming([&] { rehearse<what_is_seen>(solver, cosine{}, four_steps); },
                 {"solver::", "on schedule::cosine with ", "what_is_seen: cannot recover the data at time 1"});
  });
  fails_naming([] { tf::recover_data<what_is_seen>(rectified_flow{}, 0.5); },
               {"what_is_seen with schedule::rectified_flow: cannot recover the data at time 0.5"});
}

// Ancestral steps need to know how x_next came out of the data.
BOOST_AUTO_TEST_CASE(a_solver_that_needs_signal_names_the_schedule_without_it) {
  const auto fails = [](const auto& solver, const char* who, const char* what) {
    fails_naming([&] { rehearse<tf::target::velocity>(solver, early_end{}, four_steps); },
                 {who, "early_end with target::velocity: ", what});
  };
  fails(tf::solver::ddpm{}, "solver::ddpm on ", "ddpm: found no signal at time 0.75, expected some");
  fails(tf::solver::ddpm_large{}, "solver::ddpm_large on ", "ddpm_large: found no signal at time 0.75");
  fails(tf::solver::ddim{.eta = 0.5}, "solver::ddim on ",
        "ddim: found no signal at time 0.75, expected some where eta");
  BOOST_CHECK_NO_THROW(rehearse<tf::target::velocity>(tf::solver::ddim{}, early_end{}, four_steps));
}

BOOST_AUTO_TEST_CASE(times_that_do_not_fall_name_the_solver) {
  for_each_solver([](auto solver) {
    const std::string who = tf::policy_name<decltype(solver)>() + " on schedule::cosine with target::v: ";
    fails_naming(
        [&] {
          rehearse<tf::target::v>(solver, cosine{}, {0.5, 0.5});
        },
        {who.c_str(), ": found a step from time 0.5"});
  });
}

// The spacings of sampling, from pure noise on: every solver gets through on a rectified flow.
BOOST_AUTO_TEST_CASE(every_solver_takes_every_spacing) {
  for (tf::spacing how :
       {tf::spacing::respaced, tf::spacing::leading, tf::spacing::linspace, tf::spacing::trailing, tf::spacing::karras})
    for_each_solver([&](auto solver) {
      const auto times = tf::spaced_times(how, 10, rectified_flow{});
      const tf::index_t found = rehearse<tf::target::velocity>(solver, rectified_flow{}, times);
      if constexpr (tf::step_solver<decltype(solver)>) BOOST_TEST(found == 10);
      BOOST_TEST(found >= 10);
    });
}
