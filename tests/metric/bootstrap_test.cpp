// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE metric_bootstrap
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>
#include <set>
#include <vector>

#include "transfusion/metric/bootstrap.hpp"

namespace tf = transfusion;

namespace {

using scores = std::vector<double>;
using indices = std::vector<tf::index_t>;

scores normals(int count, unsigned seed, double mean = 3, double deviation = 2) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(mean, deviation);
  scores all(static_cast<std::size_t>(count));
  for (double& x : all) x = normal(random);
  return all;
}

double mean_of(const scores& all) {
  double sum = 0;
  for (const double x : all) sum += x;
  return sum / static_cast<double>(all.size());
}

/// √(Σ (x - mean)² / (n - freedom)).
double deviation_of(const scores& all, double freedom) {
  double sum = 0;
  for (const double x : all) sum += std::pow(x - mean_of(all), 2);
  return std::sqrt(sum / (static_cast<double>(all.size()) - freedom));
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_error_of_a_mean_is_its_closed_form) {
  for (const int count : {20, 400}) {
    const auto all = normals(count, 1);
    const auto r = tf::bootstrap_mean(all, {.resamples = 4000});
    const double exact = deviation_of(all, 0) / std::sqrt(count);  // of draws from these very items
    BOOST_TEST(std::abs(r.value - mean_of(all)) < 1e-12);
    // A deviation of 4000 values is off by 1/√8000 = 1.1 %.
    BOOST_TEST(std::abs(r.standard_error / exact - 1) < 0.04);
    BOOST_TEST(std::abs((r.high - r.low) / (2 * 1.959964 * exact) - 1) < 0.08);
    BOOST_TEST(std::abs((r.high + r.low) / 2 - r.value) < 0.2 * exact);
  }
}

BOOST_AUTO_TEST_CASE(nine_intervals_of_ten_hold_the_true_mean) {
  constexpr int trials = 600;
  int held = 0;
  for (unsigned t = 0; t < trials; ++t) {
    const auto r = tf::bootstrap_mean(normals(60, 100 + t), {.resamples = 400, .confidence = 0.9, .seed = t});
    held += r.low <= 3 && 3 <= r.high;
  }
  // One in √(0.9 · 0.1 / 600) = 1.2 %, and an interval of 60 samples is a little short.
  BOOST_TEST(std::abs(held / double{trials} - 0.89) < 0.04);
}

BOOST_AUTO_TEST_CASE(ends_and_error_are_those_of_the_statistics_that_were_drawn) {
  const auto all = normals(30, 2);
  scores seen;
  const auto largest = [&](const indices& chosen) {
    double most = all[static_cast<std::size_t>(chosen[0])];
    for (const auto i : chosen) most = std::max(most, all[static_cast<std::size_t>(i)]);
    seen.push_back(most);
    return most;
  };
  const auto r = tf::bootstrap(30, largest, {.resamples = 201, .confidence = 0.9});
  BOOST_REQUIRE(seen.size() == 202u);
  BOOST_TEST(r.value == *std::max_element(all.begin(), all.end()));
  BOOST_TEST(seen[0] == r.value);
  seen.erase(seen.begin());
  std::sort(seen.begin(), seen.end());
  BOOST_TEST(r.low == seen[10], boost::test_tools::tolerance(1e-13));  // 5 % of 200 steps
  BOOST_TEST(r.high == seen[190], boost::test_tools::tolerance(1e-13));
  BOOST_TEST(r.standard_error == deviation_of(seen, 1), boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(ends_between_two_statistics_are_interpolated) {
  int calls = 0;
  const auto counted = [&](const indices&) { return calls++; };  // 0 of all items, 1 to 4 of the resamples
  const auto r = tf::bootstrap(2, counted, {.resamples = 4, .confidence = 0.5});
  BOOST_TEST(r.value == 0);
  BOOST_TEST(r.low == 1.75);
  BOOST_TEST(r.high == 3.25);
}

BOOST_AUTO_TEST_CASE(all_items_come_first_and_each_resample_has_as_many) {
  std::vector<indices> seen;
  tf::bootstrap(7,
                [&](const indices& chosen) {
                  seen.push_back(chosen);
                  return 0.0;
                },
                {.resamples = 700});
  BOOST_TEST(seen[0] == indices({0, 1, 2, 3, 4, 5, 6}), boost::test_tools::per_element());
  std::vector<int> drawn(7);
  for (std::size_t s = 1; s < seen.size(); ++s) {
    BOOST_REQUIRE(seen[s].size() == 7u);
    for (const auto i : seen[s]) ++drawn.at(static_cast<std::size_t>(i));
  }
  for (const int count : drawn) BOOST_TEST(std::abs(count - 700) < 5 * std::sqrt(700.0));
  BOOST_TEST(std::set<indices>(seen.begin(), seen.end()).size() > 690u);  // of 7^7 possible ones
}

BOOST_AUTO_TEST_CASE(the_seed_alone_decides) {
  const auto all = normals(50, 3);
  const auto with = [&](std::uint64_t seed) { return tf::bootstrap_mean(all, {.resamples = 200, .seed = seed}); };
  const auto a = with(4), b = with(4), other = with(5);
  BOOST_TEST((a.low == b.low && a.high == b.high && a.standard_error == b.standard_error));
  BOOST_TEST(a.value == other.value);
  BOOST_TEST(a.standard_error != other.standard_error);
}

BOOST_AUTO_TEST_CASE(more_confidence_takes_a_wider_interval) {
  const auto all = normals(50, 6);
  double before = 0;
  for (const double confidence : {0.5, 0.8, 0.95, 0.99}) {
    const auto r = tf::bootstrap_mean(all, {.confidence = confidence});
    BOOST_TEST(r.high - r.low > 1.1 * before);
    before = r.high - r.low;
  }
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused) {
  const scores two = {1, 2};
  BOOST_CHECK_THROW(tf::bootstrap_mean({}), tf::config_error);
  BOOST_CHECK_THROW(tf::bootstrap_mean({1}), tf::config_error);
  BOOST_CHECK_THROW(tf::bootstrap_mean(two, {.resamples = 1}), tf::config_error);
  for (const double confidence : {0.0, 1.0, -1.0, std::nan("")})
    BOOST_CHECK_THROW(tf::bootstrap_mean(two, {.confidence = confidence}), tf::config_error);
  BOOST_CHECK_THROW(tf::bootstrap_mean({1, std::nan("")}), tf::numeric_error);
  // A statistic that some resamples do not have.
  const auto inverse_range = [](const indices& chosen) { return 1.0 / double(chosen[0] != chosen[1]); };
  BOOST_CHECK_THROW(tf::bootstrap(2, inverse_range), tf::numeric_error);
}
