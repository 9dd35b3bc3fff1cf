// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE diffusion_table
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "transfusion/diffusion/schedule/linear.hpp"
#include "transfusion/diffusion/schedule/table.hpp"

namespace tf = transfusion;

namespace {

/// The values a test gives to the table it makes.
struct given_alpha_bar {
  static inline std::vector<double> values;
  static std::vector<double> alpha_bar() { return values; }
};
struct given_levels {
  static inline std::vector<tf::noise_level> values;
  static std::vector<tf::noise_level> levels() { return values; }
};
static_assert(tf::noise_schedule<tf::schedule::table<given_alpha_bar>>);
static_assert(tf::noise_schedule<tf::schedule::table<given_levels>>);

tf::schedule::table<given_alpha_bar> table_of(std::vector<double> values) {
  given_alpha_bar::values = std::move(values);
  return {};
}
tf::schedule::table<given_levels> table_of(std::vector<tf::noise_level> values) {
  given_levels::values = std::move(values);
  return {};
}

template <class Values>
void refuses(Values values, const std::string& who, const std::string& words) {
  BOOST_CHECK_EXCEPTION(table_of(values), tf::config_error, [&](const tf::config_error& e) {
    const std::string text = e.what();
    BOOST_TEST_MESSAGE(text);
    return text.find("schedule::table of ") == 0 && text.find(who) != std::string::npos &&
           text.find(words) != std::string::npos;
  });
}
void refuses_alpha_bar(std::vector<double> values, const std::string& words) {
  refuses(std::move(values), "given_alpha_bar: ", words);
}
void refuses_levels(std::vector<tf::noise_level> values, const std::string& words) {
  refuses(std::move(values), "given_levels: ", words);
}

void near(double found, double expected, double bound) {
  BOOST_TEST(std::abs(found - expected) <= bound, "found " << found << ", expected " << expected << " to " << bound);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_table_of_alpha_bar_has_its_entries) {
  const auto table = table_of(std::vector<double>{0.81, 0.36, 0.04, 0});
  const double expected[][3] = {
      {0, 1, 0}, {0.25, 0.9, std::sqrt(0.19)}, {0.5, 0.6, 0.8}, {0.75, 0.2, std::sqrt(0.96)}, {1, 0, 1}};
  for (const auto& [t, signal, noise] : expected) {
    near(table.signal(t), signal, 1e-15);
    near(table.noise(t), noise, 1e-15);
  }
}

BOOST_AUTO_TEST_CASE(between_entries_the_direction_turns_and_the_length_stays_one) {
  const auto table = table_of(std::vector<double>{0.64, 0});
  const double signal = (0.8 + 0) / 2, noise = (0.6 + 1) / 2, length = std::hypot(signal, noise);
  near(table.signal(0.75), signal / length, 1e-15);
  near(table.noise(0.75), noise / length, 1e-15);
  for (int i = 0; i <= 100; ++i) near(std::hypot(table.signal(i / 100.0), table.noise(i / 100.0)), 1, 1e-15);
}

BOOST_AUTO_TEST_CASE(the_linear_schedule_as_a_table_is_the_linear_schedule) {
  std::vector<double> alpha_bar;
  double product = 1;
  for (int i = 0; i < 1000; ++i) alpha_bar.push_back(product *= 1 - (1e-4 + (0.02 - 1e-4) * i / 999));
  const auto table = table_of(std::move(alpha_bar));
  for (int n = 0; n <= 1000; ++n) {
    near(table.signal(n / 1000.0), tf::schedule::linear::signal(n / 1000.0), 1e-13);
    near(table.noise(n / 1000.0), tf::schedule::linear::noise(n / 1000.0), 1e-13);
  }
  for (int i = 2; i < 2000; ++i) {  // from the first entry on
    near(table.signal((i + 0.5) / 2000), tf::schedule::linear::signal((i + 0.5) / 2000), 1e-4);
    near(table.noise((i + 0.5) / 2000), tf::schedule::linear::noise((i + 0.5) / 2000), 1e-3);
  }
}

BOOST_AUTO_TEST_CASE(a_table_of_levels_is_linear_between_them) {
  const auto flow = table_of(std::vector<tf::noise_level>{{0, 1, 0}, {1, 0, 1}});
  for (const double t : {0.0, 0.1, 0.5, 0.9, 1.0}) {
    near(flow.signal(t), 1 - t, 1e-16);
    near(flow.noise(t), t, 1e-16);
  }
  const auto bent = table_of(std::vector<tf::noise_level>{{0, 2, 0}, {0.25, 2, 1}, {1, 1, 4}});
  near(bent.signal(0.125), 2, 1e-15);
  near(bent.noise(0.125), 0.5, 1e-15);
  near(bent.signal(0.625), 1.5, 1e-15);
  near(bent.noise(0.625), 2.5, 1e-15);
  BOOST_TEST(bent.noise(1) == 4);
}

BOOST_AUTO_TEST_CASE(a_table_that_is_too_short_is_an_error) {
  refuses_alpha_bar({}, "found 1 levels, expected 2 or more");
  refuses_levels({}, "found 0 levels, expected 2 or more");
  refuses_levels({{0, 1, 0}}, "found 1 levels");
}

BOOST_AUTO_TEST_CASE(a_table_that_is_not_monotone_is_an_error) {
  refuses_alpha_bar({0.9, 0.9}, "ᾱ of step 2: found 0.9, expected at least 0 and less than the 0.9 before");
  refuses_alpha_bar({0.9, 0.5, 0.6}, "ᾱ of step 3: found 0.6");
  refuses_levels({{0, 1, 0}, {0.5, 0.5, 0.5}, {0.5, 0.4, 0.6}, {1, 0, 1}}, "entry 2: found time 0.5");
  refuses_levels({{0, 1, 0}, {0.5, 0.5, 0.5}, {0.4, 0.4, 0.6}, {1, 0, 1}}, "expected a later time");
  refuses_levels({{0, 1, 0}, {0.5, 0.5, 0.5}, {1, 0.5, 0.5}}, "expected a larger noise/signal than before");
  refuses_levels({{0, 1, 0}, {0.5, 0, 1}, {1, 0, 2}}, "entry 2: found time 1, signal 0, noise 2, expected a larger");
}

BOOST_AUTO_TEST_CASE(a_table_with_wrong_ends_is_an_error) {
  refuses_alpha_bar({1, 0.5}, "ᾱ of step 1: found 1");
  refuses_alpha_bar({0.5, -0.1}, "ᾱ of step 2: found -0.1");
  refuses_levels({{0.1, 1, 0}, {1, 0, 1}}, "entry 0: found time 0.1, signal 1, noise 0, expected time 0");
  refuses_levels({{0, 1, 0.1}, {1, 0, 1}}, "expected time 0 with some signal and no noise");
  refuses_levels({{0, 0, 0}, {1, 0, 1}}, "expected time 0 with some signal");
  refuses_levels({{0, 1, 0}, {0.9, 0, 1}}, "entry 1: found time 0.9, signal 0, noise 1, expected time 1 at the end");
  refuses_levels({{0, 1, 0}, {1.5, 0, 1}}, "expected time 1 at the end");
}

BOOST_AUTO_TEST_CASE(a_table_of_what_are_no_levels_is_an_error) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();
  refuses_alpha_bar({nan}, "ᾱ of step 1");
  refuses_levels({{0, 1, 0}, {1, 0, infinite}}, "entry 1: found time 1, signal 0, noise inf, expected finite");
  refuses_levels({{0, 1, 0}, {1, nan, 1}}, "expected finite");
  refuses_levels({{0, 1, 0}, {1, -0.5, 1}}, "expected finite scalars of at least 0");
  refuses_levels({{0, 1, 0}, {nan, 0, 1}}, "expected a later time");
}
