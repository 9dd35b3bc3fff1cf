// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE diffusion_spacing
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "transfusion/diffusion/schedule/cosine.hpp"
#include "transfusion/diffusion/schedule/linear.hpp"
#include "transfusion/diffusion/schedule/rectified_flow.hpp"
#include "transfusion/diffusion/schedule/scaled_linear.hpp"
#include "transfusion/diffusion/schedule/sigmoid.hpp"
#include "transfusion/diffusion/spacing.hpp"

namespace tf = transfusion;
using tf::spacing;

namespace {

const tf::schedule::cosine cosine;
const spacing all_spacings[] = {spacing::respaced, spacing::leading, spacing::linspace, spacing::trailing,
                                spacing::karras};

/// The numbers n of the training steps, of 1000.
std::vector<long> steps_of(spacing how, int steps) {
  std::vector<long> found;
  for (double t : tf::spaced_times(how, steps, cosine)) {
    found.push_back(std::lround(1000 * t));
    BOOST_TEST(t == static_cast<double>(found.back()) / 1000);
  }
  return found;
}

template <class F>
void for_each_schedule(F on_schedule) {
  on_schedule(tf::schedule::cosine{});
  on_schedule(tf::schedule::linear{});
  on_schedule(tf::schedule::scaled_linear{});
  on_schedule(tf::schedule::sigmoid{});
  on_schedule(tf::schedule::rectified_flow{});
}

template <class Schedule>
double ratio_at(const Schedule& schedule, double t) {
  return schedule.noise(t) / schedule.signal(t);
}

struct always_clean {
  static double signal(double) { return 1; }
  static double noise(double) { return 0; }
};

template <class Call>
void fails_saying(Call call, const std::string& words) {
  BOOST_CHECK_EXCEPTION(call(), tf::config_error, [&](const tf::config_error& e) {
    return std::string(e.what()).find(words) != std::string::npos;
  });
}

}  // namespace

// Lin et al. 2023, table 2, T = 1000 and S = 10.
BOOST_AUTO_TEST_CASE(ten_steps_are_those_of_the_published_table) {
  BOOST_TEST(steps_of(spacing::leading, 10) == (std::vector<long>{901, 801, 701, 601, 501, 401, 301, 201, 101, 1, 0}));
  BOOST_TEST(steps_of(spacing::linspace, 10) ==
             (std::vector<long>{1000, 889, 778, 667, 556, 445, 334, 223, 112, 1, 0}));
  BOOST_TEST(steps_of(spacing::trailing, 10) ==
             (std::vector<long>{1000, 900, 800, 700, 600, 500, 400, 300, 200, 100, 0}));
}

BOOST_AUTO_TEST_CASE(steps_that_do_not_divide_the_thousand) {
  BOOST_TEST(steps_of(spacing::leading, 3) == (std::vector<long>{667, 334, 1, 0}));
  BOOST_TEST(steps_of(spacing::trailing, 3) == (std::vector<long>{1000, 667, 333, 0}));
  BOOST_TEST(steps_of(spacing::leading, 7) == (std::vector<long>{853, 711, 569, 427, 285, 143, 1, 0}));
  BOOST_TEST(steps_of(spacing::trailing, 7) == (std::vector<long>{1000, 857, 714, 571, 429, 286, 143, 0}));
  // 937.5 and 812.5 go to the even numbers.
  const auto sixteen = steps_of(spacing::trailing, 16);
  BOOST_TEST((sixteen[1] == 938 && sixteen[2] == 875 && sixteen[3] == 812));
}

BOOST_AUTO_TEST_CASE(linspace_is_the_papers_spacing) {
  for (int steps : {1, 2, 3, 30, 250, 999, 1000}) {
    BOOST_TEST(tf::spaced_times(spacing::linspace, steps, cosine) == tf::respaced_times(steps));
    BOOST_TEST(tf::spaced_times(spacing::respaced, steps, cosine) == tf::respaced_times(steps));
  }
}

BOOST_AUTO_TEST_CASE(one_step_and_all_steps) {
  for (spacing how : all_spacings) {
    const double first = how == spacing::leading ? 0.001 : 1;
    BOOST_TEST(tf::spaced_times(how, 1, cosine) == (std::vector<double>{first, 0}));
    if (how != spacing::karras) BOOST_TEST(tf::spaced_times(how, 1000, cosine) == tf::respaced_times(1000));
  }
}

// On a rectified flow σ = t/(1 − t), so a time is σ/(1 + σ): by hand for S = 4, σ from 80 to 1/999.
BOOST_AUTO_TEST_CASE(karras_times_of_a_rectified_flow_are_the_closed_form) {
  const auto times = tf::spaced_times(spacing::karras, 4, tf::schedule::rectified_flow{});
  const double from = std::pow(80.0, 1.0 / 7), to = std::pow(1.0 / 999, 1.0 / 7);
  const double two = std::pow((2 * from + to) / 3, 7.0), three = std::pow((from + 2 * to) / 3, 7.0);
  const std::vector<double> expected = {1, two / (1 + two), three / (1 + three), 0.001, 0};
  BOOST_TEST(times.size() == expected.size());
  for (std::size_t k = 0; k < times.size(); ++k) BOOST_TEST(std::abs(times[k] - expected[k]) < 1e-14);
  BOOST_TEST(std::abs(two - 9.1055) < 5e-5, two);
  BOOST_TEST(std::abs(three - 0.3831) < 5e-5, three);
}

// The ratios that diffusers prints for Stable Diffusion's schedule with use_karras_sigmas and 4 steps.
BOOST_AUTO_TEST_CASE(karras_ratios_of_stable_diffusion_are_the_published_ones) {
  const tf::schedule::scaled_linear schedule;
  const auto times = tf::spaced_times(spacing::karras, 4, schedule);
  const double published[] = {14.6146, 3.1686, 0.4469, 0.0292};
  for (std::size_t k = 0; k < 4; ++k) BOOST_TEST(std::abs(ratio_at(schedule, times[k]) - published[k]) < 5e-5);
  BOOST_TEST(times[4] == 0);
}

// Karras et al. 2022, eq. 5: σ^(1/7) falls in even steps.
BOOST_AUTO_TEST_CASE(karras_ratios_fall_evenly_in_their_seventh_root) {
  for_each_schedule([](const auto& schedule) {
    const int steps = 18;
    const auto times = tf::spaced_times(spacing::karras, steps, schedule);
    const double from = std::pow(std::fmin(ratio_at(schedule, 1), 80.0), 1.0 / 7);
    const double to = std::pow(ratio_at(schedule, 0.001), 1.0 / 7);
    BOOST_TEST(times[0] == 1);
    for (int k = 1; k < steps; ++k) {
      const double root = std::pow(ratio_at(schedule, times[static_cast<std::size_t>(k)]), 1.0 / 7);
      BOOST_TEST(std::abs(root - (from + (to - from) * k / (steps - 1))) < 1e-12);
    }
  });
}

BOOST_AUTO_TEST_CASE(times_fall_from_the_first_to_zero) {
  for_each_schedule([](const auto& schedule) {
    for (spacing how : all_spacings)
      for (int steps : {1, 2, 3, 4, 10, 33, 250, 666, 1000}) {
        const auto times = tf::spaced_times(how, steps, schedule);
        BOOST_TEST(times.size() == static_cast<std::size_t>(steps) + 1);
        BOOST_TEST((times[0] <= 1 && times.back() == 0));
        if (how != spacing::leading) BOOST_TEST(times[0] == 1);
        for (std::size_t k = 1; k < times.size(); ++k) BOOST_TEST(times[k] < times[k - 1]);
      }
  });
}

BOOST_AUTO_TEST_CASE(impossible_spacings_are_errors) {
  for (spacing how : all_spacings) {
    fails_saying([&] { tf::spaced_times(how, 0, cosine); }, "found 0 steps, expected 1 to 1000");
    fails_saying([&] { tf::spaced_times(how, 1001, cosine); }, "found 1001 steps");
  }
  fails_saying([] { tf::spaced_times(spacing::karras, 4, always_clean{}); },
               "always_clean: found noise/signal 0 at time 0.001");
}
