// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE metric_frechet
#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <vector>

#include "transfusion/metric/frechet_bootstrap.hpp"

namespace tf = transfusion;

namespace {

using samples = std::vector<std::vector<double>>;

tf::frechet_statistics statistics_of(const samples& all, tf::index_t width) {
  tf::frechet_statistics s(width);
  for (const auto& x : all) s.add(tf::view<const double, 1>(x.data(), static_cast<tf::index_t>(x.size())));
  return s;
}

/// 2F samples whose mean is exactly `mean` and whose covariance is exactly diag(variance): ± one axis each.
samples axes(const std::vector<double>& mean, const std::vector<double>& variance) {
  const double count = 2 * static_cast<double>(mean.size());
  samples all;
  for (std::size_t i = 0; i < mean.size(); ++i)
    for (double sign : {-1.0, 1.0}) {
      all.push_back(mean);
      all.back()[i] += sign * std::sqrt(variance[i] * (count - 1) / 2);
    }
  return all;
}

samples turned(samples all, double angle) {
  for (auto& x : all) {
    const double first = x[0];
    x[0] = std::cos(angle) * first - std::sin(angle) * x[1];
    x[1] = std::sin(angle) * first + std::cos(angle) * x[1];
  }
  return all;
}

/// As tests/golden/frechet.py draws them.
samples golden_samples(int count, double phase) {
  samples all;
  for (int n = 0; n < count; ++n) {
    all.emplace_back();
    for (int f = 0; f < 5; ++f)
      all.back().push_back(std::sin(phase + 0.9 * n * (f + 1)) + 0.5 * std::cos(0.37 * n + phase * f));
  }
  return all;
}

struct golden {
  std::string what;
  Eigen::Index row, column;
  double value;
};
const std::vector<golden> of_numpy = {
#include "golden/frechet.txt"
};

/// Largest difference of the means and covariances.
double difference(const tf::frechet_statistics& a, const tf::frechet_statistics& b) {
  return std::max((a.mean() - b.mean()).cwiseAbs().maxCoeff(), (a.covariance() - b.covariance()).cwiseAbs().maxCoeff());
}

samples random_samples(int count, std::size_t width, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  samples all(static_cast<std::size_t>(count), std::vector<double>(width));
  for (auto& x : all)
    for (std::size_t i = 0; i < width; ++i) x[i] = normal(random) + (i > 0 ? 0.5 * x[i - 1] : 0);
  return all;
}

}  // namespace

BOOST_AUTO_TEST_CASE(statistics_are_those_of_two_passes) {
  const auto all = random_samples(50, 3, 1);
  const auto s = statistics_of(all, 3);
  BOOST_TEST(s.count() == 50);
  BOOST_TEST(s.width() == 3);
  const auto covariance = s.covariance();
  for (std::size_t i = 0; i < 3; ++i) {
    double mean = 0;
    for (const auto& x : all) mean += x[i] / 50;
    BOOST_TEST(std::abs(s.mean()(static_cast<Eigen::Index>(i)) - mean) < 1e-14);
    for (std::size_t j = 0; j < 3; ++j) {
      double other = 0, sum = 0;
      for (const auto& x : all) other += x[j] / 50;
      for (const auto& x : all) sum += (x[i] - mean) * (x[j] - other) / 49;
      BOOST_TEST(std::abs(covariance(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) - sum) < 1e-13);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_far_mean_costs_no_digits_of_the_covariance) {
  const auto s = statistics_of(axes({1e8, -1e8}, {2, 3}), 2);
  BOOST_TEST(std::abs(s.covariance()(0, 0) - 2) < 1e-6);
  BOOST_TEST(std::abs(s.covariance()(1, 1) - 3) < 1e-6);
}

BOOST_AUTO_TEST_CASE(rows_of_a_float_matrix_are_samples) {
  const std::vector<float> m = {1, 2, 3, 4, 5, 9};
  tf::frechet_statistics rows(2), one_by_one(2);
  rows.add(tf::view<const float, 2>(m.data(), 3, 2));
  for (tf::index_t n = 0; n < 3; ++n) one_by_one.add(tf::view<const float, 1>(m.data() + 2 * n, 2));
  BOOST_TEST(rows.count() == 3);
  BOOST_TEST((rows.mean() == one_by_one.mean()));
  BOOST_TEST((rows.covariance() == one_by_one.covariance()));
}

BOOST_AUTO_TEST_CASE(identical_sets_are_at_distance_zero) {
  for (std::size_t width : {1u, 2u, 16u}) {
    const auto s = statistics_of(random_samples(100, width, 2), static_cast<tf::index_t>(width));
    BOOST_TEST(tf::frechet_distance(s, s) < 1e-10);
  }
}

BOOST_AUTO_TEST_CASE(diagonal_covariances_have_a_closed_form) {
  const std::vector<double> mean_a = {0, 1, -2}, mean_b = {0.5, 1, 1}, var_a = {1, 4, 0.25}, var_b = {9, 2, 0.01};
  double expected = 0;
  for (std::size_t i = 0; i < 3; ++i)
    expected +=
        (mean_a[i] - mean_b[i]) * (mean_a[i] - mean_b[i]) + std::pow(std::sqrt(var_a[i]) - std::sqrt(var_b[i]), 2);
  const auto a = statistics_of(axes(mean_a, var_a), 3), b = statistics_of(axes(mean_b, var_b), 3);
  BOOST_TEST(std::abs(tf::frechet_distance(a, b) - expected) < 1e-12);
  BOOST_TEST(std::abs(tf::frechet_distance(b, a) - expected) < 1e-12);
}

BOOST_AUTO_TEST_CASE(a_shift_alone_costs_its_square) {
  const auto all = random_samples(200, 5, 3);
  auto shifted = all;
  for (auto& x : shifted) {
    x[1] += 3;
    x[4] -= 4;
  }
  BOOST_TEST(std::abs(tf::frechet_distance(statistics_of(all, 5), statistics_of(shifted, 5)) - 25) < 1e-9);
}

// For two by two, Tr √M = √(Tr M + 2 √det M), and Σa Σb has the eigenvalues of √Σa Σb √Σa.
BOOST_AUTO_TEST_CASE(covariances_that_do_not_commute_have_a_closed_form_in_two_dimensions) {
  const auto a = statistics_of(turned(axes({0, 0}, {4, 1}), 0.3), 2);
  const auto b = statistics_of(turned(axes({0, 0}, {0.5, 7}), -0.9), 2);
  const Eigen::MatrixXd product = a.covariance() * b.covariance();
  const double cross = std::sqrt(product.trace() + 2 * std::sqrt(4.0 * 1 * 0.5 * 7));
  const double expected = 4 + 1 + 0.5 + 7 - 2 * cross;
  BOOST_TEST(std::abs(tf::frechet_distance(a, b) - expected) < 1e-12);
}

BOOST_AUTO_TEST_CASE(a_common_rotation_changes_nothing) {
  const auto a = random_samples(60, 4, 4), b = random_samples(70, 4, 5);
  const double plain = tf::frechet_distance(statistics_of(a, 4), statistics_of(b, 4));
  BOOST_TEST(plain > 1e-3);
  BOOST_TEST(std::abs(tf::frechet_distance(statistics_of(turned(a, 1), 4), statistics_of(turned(b, 1), 4)) - plain) <
             1e-10);
}

BOOST_AUTO_TEST_CASE(covariances_may_be_singular) {
  // Three samples in ten dimensions, and a constant feature.
  const auto a = statistics_of(random_samples(3, 10, 6), 10);
  BOOST_TEST(tf::frechet_distance(a, a) < 1e-6);
  const auto flat = statistics_of({{1, 5}, {3, 5}}, 2), other = statistics_of({{1, 7}, {3, 7}}, 2);
  BOOST_TEST(std::abs(tf::frechet_distance(flat, other) - 4) < 1e-12);
}

BOOST_AUTO_TEST_CASE(samples_of_one_distribution_come_closer_as_they_grow_in_number) {
  const auto distance = [](int count) {
    return tf::frechet_distance(statistics_of(random_samples(count, 6, 7), 6),
                                statistics_of(random_samples(count, 6, 8), 6));
  };
  BOOST_TEST(distance(5000) < 0.2 * distance(100));
}

BOOST_AUTO_TEST_CASE(statistics_and_distance_are_those_of_numpy_and_scipy) {
  const auto a = statistics_of(golden_samples(40, 0.3), 5), b = statistics_of(golden_samples(31, 1.1), 5);
  const auto covariance = a.covariance();
  BOOST_REQUIRE(of_numpy.size() == 5u + 15u + 1u);
  for (const golden& g : of_numpy) {
    const double found = g.what == "mean"         ? a.mean()(g.row)
                         : g.what == "covariance" ? covariance(g.row, g.column)
                                                  : tf::frechet_distance(a, b);
    BOOST_TEST_CONTEXT(g.what << " " << g.row << " " << g.column) BOOST_TEST(std::abs(found - g.value) < 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(parts_that_are_merged_are_the_whole) {
  const auto all = random_samples(60, 4, 9);
  const auto whole = statistics_of(all, 4);
  for (const std::ptrdiff_t first : {0, 1, 23, 59, 60}) {
    auto s = statistics_of(samples(all.begin(), all.begin() + first), 4);
    s.merge(statistics_of(samples(all.begin() + first, all.end()), 4));
    BOOST_TEST(s.count() == 60);
    BOOST_TEST(difference(s, whole) < 1e-13);
  }
}

BOOST_AUTO_TEST_CASE(parts_far_apart_cost_no_digits) {
  auto s = statistics_of(axes({1e8, -1e8}, {2, 3}), 2);
  s.merge(statistics_of(axes({1e8, -1e8}, {2, 3}), 2));
  BOOST_TEST(std::abs(s.covariance()(0, 0) - 2.0 * 6 / 7) < 1e-6);  // (3 + 3) / 7 in place of 3 / 3
  auto one = statistics_of({{1e6}, {1e6 + 2}}, 1);
  one.merge(statistics_of({{-1e6}, {-1e6 - 2}}, 1));
  BOOST_TEST(std::abs(one.covariance()(0, 0) / ((4 * (1e6 + 1) * (1e6 + 1) + 4) / 3) - 1) < 1e-14);
}

BOOST_AUTO_TEST_CASE(a_set_merged_with_itself_is_every_sample_twice) {
  const auto all = random_samples(20, 3, 10);
  auto s = statistics_of(all, 3), twice = s;
  s.merge(s);
  for (const auto& x : all) twice.add(tf::view<const double, 1>(x.data(), 3));
  BOOST_TEST(s.count() == 40);
  BOOST_TEST(difference(s, twice) < 1e-13);
}

BOOST_AUTO_TEST_CASE(statistics_of_elsewhere_go_on_like_ours) {
  const auto all = random_samples(30, 3, 11);
  const auto ours = statistics_of(all, 3);
  const auto theirs = tf::frechet_statistics::of(30, ours.mean(), 29 * ours.covariance());
  BOOST_TEST(theirs.count() == 30);
  BOOST_TEST(difference(theirs, ours) < 1e-13);

  const Eigen::VectorXd mean = Eigen::VectorXd::Zero(2);
  const Eigen::MatrixXd scatter = Eigen::MatrixXd::Identity(2, 2);
  const auto of = [&](Eigen::Index row, Eigen::Index column, double value) {
    Eigen::MatrixXd changed = scatter;
    changed(row, column) = value;
    return tf::frechet_statistics::of(5, mean, changed);
  };
  BOOST_CHECK_THROW(tf::frechet_statistics::of(0, mean, scatter), tf::config_error);
  BOOST_CHECK_THROW(tf::frechet_statistics::of(5, mean, scatter.topRows(1)), tf::shape_error);
  BOOST_CHECK_THROW(tf::frechet_statistics::of(5, mean, scatter.leftCols(1)), tf::shape_error);
  BOOST_CHECK_THROW(tf::frechet_statistics::of(5, Eigen::VectorXd(), Eigen::MatrixXd()), tf::config_error);
  BOOST_CHECK_THROW(of(0, 1, 0.5), tf::config_error);
  BOOST_CHECK_THROW(of(1, 1, -1), tf::config_error);
  BOOST_CHECK_THROW(of(1, 1, std::nan("")), tf::numeric_error);
}

// What docs/metrics.md says of the bootstrap of a distance, against the deviation over sets drawn anew.
BOOST_AUTO_TEST_CASE(the_bootstrap_of_a_distance_lies_too_high_and_its_error_is_never_too_small) {
  const auto reference = statistics_of(random_samples(5000, 8, 12), 8);
  const auto drawn = [](unsigned seed, double shift) {
    auto all = random_samples(200, 8, seed);
    for (auto& x : all) x[0] += shift;
    return all;
  };
  const auto error_against_truth = [&](double shift, tf::bootstrap_result& r) {
    std::vector<double> distances;
    for (unsigned seed = 100; seed < 300; ++seed)
      distances.push_back(tf::frechet_distance(reference, statistics_of(drawn(seed, shift), 8)));
    const auto all = drawn(13, shift);
    const auto distance = [&](const std::vector<tf::index_t>& chosen) {
      samples some;
      for (const auto i : chosen) some.push_back(all[static_cast<std::size_t>(i)]);
      return tf::frechet_distance(reference, statistics_of(some, 8));
    };
    r = tf::bootstrap(200, distance, {.resamples = 200});
    const auto without_interval = tf::bootstrap_frechet(all, reference);
    BOOST_TEST(without_interval.value == tf::frechet_distance(reference, statistics_of(all, 8)));
    BOOST_TEST(without_interval.standard_error == r.standard_error);
    return r.standard_error / tf::detail::standard_deviation(distances);
  };
  tf::bootstrap_result alike, apart;
  const double twice = error_against_truth(0, alike), right = error_against_truth(2, apart);
  BOOST_TEST(alike.low > alike.value);
  BOOST_TEST((twice > 1.2 && twice < 2.5));
  BOOST_TEST((right > 0.8 && right < 1.3));
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused) {
  BOOST_CHECK_THROW(tf::frechet_statistics_of({}), tf::config_error);
  const samples uneven = {{1, 2}, {3}};
  BOOST_CHECK_THROW(tf::frechet_statistics_of(uneven), tf::shape_error);
  BOOST_CHECK_THROW(tf::frechet_statistics(0), tf::config_error);
  const auto good = statistics_of({{1, 2}, {2, 1}}, 2);
  BOOST_CHECK_THROW(tf::frechet_distance(good, statistics_of({{1, 2}}, 2)), tf::config_error);
  BOOST_CHECK_THROW(tf::frechet_distance(tf::frechet_statistics(2), good), tf::config_error);
  BOOST_CHECK_THROW(tf::frechet_distance(good, statistics_of({{1}, {2}}, 1)), tf::shape_error);
  BOOST_CHECK_THROW(statistics_of({{1, 2, 3}}, 2), tf::shape_error);

  auto s = good;
  BOOST_CHECK_THROW(s.merge(statistics_of({{1}, {2}}, 1)), tf::shape_error);
  const std::vector<double> bad = {1, std::nan("")};
  BOOST_CHECK_THROW(s.add(tf::view<const double, 1>(bad.data(), 2)), tf::numeric_error);
  const std::vector<double> rows = {1, 2, 3, 4, 5, std::nan("")};
  BOOST_CHECK_THROW(s.add(tf::view<const double, 2>(rows.data(), 3, 2)), tf::numeric_error);
  BOOST_CHECK_THROW(s.add(tf::view<const double, 2>(rows.data(), 1, 3)), tf::shape_error);
  BOOST_TEST(s.count() == 2);
  BOOST_TEST((s.mean() == good.mean()));
}

BOOST_AUTO_TEST_CASE(what_no_samples_have_gives_no_distance) {
  Eigen::MatrixXd scatter(2, 2);
  scatter << 1, 2, 2, 1;  // eigenvalues 3 and -1
  const auto none = tf::frechet_statistics::of(5, Eigen::VectorXd::Zero(2), scatter);
  const auto apart = tf::frechet_statistics::of(5, Eigen::VectorXd::Constant(2, 0.5), scatter);
  BOOST_CHECK_THROW(tf::frechet_distance(none, apart), tf::numeric_error);
  BOOST_CHECK_THROW(tf::frechet_statistics::of(1, Eigen::VectorXd::Zero(2), scatter), tf::config_error);
  BOOST_CHECK_THROW(tf::frechet_distance(statistics_of({{0}, {1e90}}, 1), statistics_of({{0}, {3e90}}, 1)),
                    tf::numeric_error);
}
