// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE exec_closed_forms
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "exec/trial.hpp"
#include "support/policies.hpp"

// Operations on operands for which the result can be worked out by hand.
using namespace transfusion;
using operation_cases::trial;
using test_support::policies;

namespace {

template <class T>
bool near(T found, double expected, double size = 1) {
  return std::abs(static_cast<double>(found) - expected) <= (sizeof(T) == 4 ? 1e-6 : 1e-13) * size;
}
template <class T>
view<T, 1> all_of(std::vector<T>& v) {
  return {v.data(), std::ssize(v)};
}
template <class T>
view<const T, 1> all_of(const std::vector<T>& v) {
  return {v.data(), std::ssize(v)};
}

}  // namespace

// Nothing is left of a constant image, however its rows and channels are grouped: the offset, to the last bit.
BOOST_AUTO_TEST_CASE_TEMPLATE(group_norm_of_constant_images, Exec, policies) {
  using T = typename Exec::scalar;
  Exec exec;
  for (const index_t groups : {1, 2, 6}) {
    trial<Exec> t(exec, 1);
    const std::vector<key_interval> ranges{{0, 5}, {5, 6}};
    const auto x = t.values(6, 12), y = t.poisoned(6, 12), stats = t.poisoned(2 * groups, 2);
    for (index_t i = 0; i < x.size(); ++i) x.data[i] = i < 60 ? T{3} : T{-7};
    const auto w = t.input(12), b = t.input(12);
    exec.group_norm(y, stats, x, w, b, all_of(ranges), groups, 1e-5);
    for (index_t n = 0; n < 6; ++n)
      for (index_t c = 0; c < 12; ++c) BOOST_TEST(y(n, c) == b[c]);
    for (index_t i = 0; i < 2 * groups; ++i) {
      BOOST_TEST(stats(i, 0) == (i < groups ? 3 : -7));
      BOOST_TEST(near(stats(i, 1), 1 / std::sqrt(1e-5), 316));
    }
  }
}

// Two values a and -a a group: their mean is 0, their deviation a.
BOOST_AUTO_TEST_CASE_TEMPLATE(group_norm_of_two_rows, Exec, policies) {
  Exec exec;
  trial<Exec> t(exec, 2);
  const std::vector<key_interval> ranges{{0, 2}};
  const auto x = t.values(2, 3), y = t.poisoned(2, 3), stats = t.poisoned(3, 2), w = t.values(1, 3), b = t.values(1, 3);
  for (index_t c = 0; c < 3; ++c) {
    x(0, c) = static_cast<typename Exec::scalar>(c + 1);
    x(1, c) = -x(0, c);
  }
  exec.group_norm(y, stats, x, w.flat(), b.flat(), all_of(ranges), 3, 0);
  for (index_t c = 0; c < 3; ++c) {
    BOOST_TEST(near(y(0, c), static_cast<double>(b(0, c) + w(0, c)), 4));
    BOOST_TEST(near(y(1, c), static_cast<double>(b(0, c) - w(0, c)), 4));
  }
}

// Whole numbers 0 to n - 1: mean (n - 1) / 2, variance (n^2 - 1) / 12. Moving or scaling a row changes nothing.
BOOST_AUTO_TEST_CASE_TEMPLATE(layer_norm_of_an_arithmetic_sequence, Exec, policies) {
  using T = typename Exec::scalar;
  Exec exec;
  for (const index_t n : {2, 7, 64, 129}) {
    trial<Exec> t(exec, 3);
    const auto x = t.values(3, n), y = t.poisoned(3, n), stats = t.poisoned(3, 2);
    for (index_t d = 0; d < n; ++d) {
      x(0, d) = static_cast<T>(d);
      x(1, d) = static_cast<T>(d + 1000);
      x(2, d) = static_cast<T>(-8 * d);
    }
    exec.layer_norm(y, stats, x, {}, {}, 0);
    const double mean = static_cast<double>(n - 1) / 2, deviation = std::sqrt(static_cast<double>(n * n - 1) / 12);
    BOOST_TEST(near(stats(0, 0), mean, mean));
    BOOST_TEST(near(stats(1, 0), mean + 1000, 1000));
    BOOST_TEST(near(stats(0, 1), 1 / deviation));
    for (index_t d = 0; d < n; ++d) {
      const double expected = (static_cast<double>(d) - mean) / deviation;
      BOOST_TEST(near(y(0, d), expected, 2));
      BOOST_TEST(near(y(1, d), expected, 200));
      BOOST_TEST(near(y(2, d), -expected, 2));
    }
  }
}

// Φ(0) = 1/2, Φ(1) and Φ(-2) from tables; far away x itself and 0.
BOOST_AUTO_TEST_CASE_TEMPLATE(gelu_values, Exec, policies) {
  using T = typename Exec::scalar;
  Exec exec;
  const std::vector<T> x{0, 1, -2, 30, -30};
  std::vector<T> y(5), dx(5), one(5, T{1});
  exec.gelu({y.data(), 1, 5}, {x.data(), 1, 5});
  exec.gelu_backward({{dx.data(), 1, 5}, false}, {one.data(), 1, 5}, {x.data(), 1, 5});
  const double density = 0.2419707245191433498;  // of a standard normal at 1
  BOOST_TEST(y[0] == 0);
  BOOST_TEST(near(y[1], 0.8413447460685429486));
  BOOST_TEST(near(y[2], -2 * 0.02275013194817920720));
  BOOST_TEST(y[3] == 30);
  BOOST_TEST(std::abs(y[4]) < 1e-30);
  BOOST_TEST(near(dx[0], 0.5));
  BOOST_TEST(near(dx[1], 0.8413447460685429486 + density));
  BOOST_TEST(dx[3] == 1);
  BOOST_TEST(std::abs(dx[4]) < 1e-30);
}

// Above zero x itself, below and at zero its share.
BOOST_AUTO_TEST_CASE_TEMPLATE(leaky_relu_values, Exec, policies) {
  using T = typename Exec::scalar;
  Exec exec;
  const std::vector<T> x{3, -2, 0, T{0.5}, -8}, dy{1, 2, 4, 8, 16};
  for (const double slope : {0.0, 0.25}) {
    std::vector<T> y(5), dx(5, T{100});
    exec.leaky_relu({y.data(), 1, 5}, {x.data(), 1, 5}, slope);
    exec.leaky_relu_backward({{dx.data(), 1, 5}, true}, {dy.data(), 1, 5}, {x.data(), 1, 5}, slope);
    const auto by = static_cast<T>(slope);
    BOOST_TEST((y == std::vector<T>{3, -2 * by, 0, T{0.5}, -8 * by}));
    BOOST_TEST((dx == std::vector<T>{101, 100 + 2 * by, 100 + 4 * by, 108, 100 + 16 * by}));
  }
}

// Windows of two that share a row, one half outside, and one without taps. Of equal values the first has the gradient,
// and what is no number shows.
BOOST_AUTO_TEST_CASE_TEMPLATE(max_pool_by_hand, Exec, policies) {
  using T = typename Exec::scalar;
  Exec exec;
  const T none = std::numeric_limits<T>::quiet_NaN();
  const std::vector<T> x{1, -5, 4, -5, 4, none, -1, 2};  // [4, 2]
  const std::vector<token_t> taps{0, 1, 1, 2, -1, 3, -1, -1}, reverse{0, -1, 1, 0, -1, 1, -1, 2};
  std::vector<T> y(8, none), dx(8, none);
  const std::vector<T> dy{1, 2, 4, 8, 16, 32, 64, 128};
  const view<const token_t, 2> table(taps.data(), 4, 2), back{reverse.data(), 4, 2};
  exec.max_pool({y.data(), 4, 2}, {x.data(), 4, 2}, table);
  BOOST_TEST(std::isnan(y[3]));
  y[3] = 0;
  BOOST_TEST((y == std::vector<T>{4, -5, 4, 0, -1, 2, 0, 0}));
  exec.max_pool_backward({{dx.data(), 4, 2}, false}, {dy.data(), 4, 2}, {x.data(), 4, 2}, table, back);
  BOOST_TEST((dx == std::vector<T>{0, 2, 1 + 4, 0, 0, 8, 16, 32}));
}

// Two images of two values: means of the errors, and their slopes times weight / count.
BOOST_AUTO_TEST_CASE_TEMPLATE(pointwise_errors_by_hand, Exec, policies) {
  using T = typename Exec::scalar;
  Exec exec;
  const std::vector<T> p{3, T{-0.5}, 2, 0}, t{1, -1, 2, -1}, weights{2, 4};
  const std::vector<image_place> places{{0, 0, {1, 1, 2}}, {2, 0, {1, 1, 2}}};
  const auto check = [&](error_kind kind, std::vector<T> losses, std::vector<T> slopes) {
    for (const bool wanted : {true, false}) {
      std::vector<T> loss(2), dp(4);
      exec.pointwise_error(kind, all_of(loss), {{wanted ? dp.data() : nullptr, 1, 4}, false}, all_of(p), all_of(t),
                           all_of(places), all_of(weights));
      BOOST_TEST(loss == losses, boost::test_tools::per_element());
      if (wanted) BOOST_TEST(dp == slopes, boost::test_tools::per_element());
    }
  };
  check(error_kind::squared, {T{2.125}, T{0.5}}, {4, 1, 0, 4});
  check(error_kind::absolute, {T{1.25}, T{0.5}}, {1, 1, 0, 2});
  check(error_kind::hinge, {T{0.25}, T{0.5}}, {0, 1, 0, 2});
  check(error_kind::linear, {T{-1.75}, -2}, {-1, 1, -4, 2});
}

// KL(N(m, s²), N(0, 1)) = (m² + s² - 1 - log s²) / 2, summed over an image, and its slopes; z = m + s · noise. A
// standard normal has none, and beyond the range the log-variance counts as its end and has no slope.
BOOST_AUTO_TEST_CASE_TEMPLATE(gaussian_samples_by_hand, Exec, policies) {
  using T = typename Exec::scalar;
  Exec exec;
  const double wide = std::log(4.0);
  // Means and log-variances of three rows with two channels.
  const std::vector<T> moments{0, 0, 0, 0, 3, -1, static_cast<T>(wide), 0, 0, 1, -31, 25};
  const std::vector<T> noise{1, 2, -1, 3, 5, 0}, weights{1, T{0.5}}, dz{1, 2, 3, 4, 5, 6};
  const std::vector<key_interval> ranges{{0, 1}, {1, 3}};
  std::vector<T> z(6), kl(2), mean(6), dm(12);
  exec.gaussian_sample({z.data(), 3, 2}, all_of(kl), {moments.data(), 3, 4}, {noise.data(), 3, 2}, all_of(ranges));
  const std::vector<double> expected{1, 2, 3 - 2, -1 + 3, 5 * std::exp(-15.0), 1};
  for (std::size_t i = 0; i < 6; ++i) BOOST_TEST(near(z[i], expected[i], 3));
  BOOST_TEST(kl[0] == 0);
  const double ends = (std::exp(-30.0) + 29) / 2 + (1 + std::exp(20.0) - 21) / 2;
  BOOST_TEST(near(kl[1], (9 + 4 - 1 - wide) / 2 + 0.5 + ends, ends));
  exec.gaussian_sample({mean.data(), 3, 2}, all_of(kl), {moments.data(), 3, 4}, {}, all_of(ranges));
  BOOST_TEST((mean == std::vector<T>{0, 0, 3, -1, 0, 1}));

  exec.gaussian_sample_backward({{dm.data(), 3, 4}, false}, {}, {moments.data(), 3, 4}, {noise.data(), 3, 2},
                                all_of(ranges), all_of(weights));
  const std::vector<double> of_kl{0, 0, 0, 0, 1.5, -0.5, 0.75, 0, 0, 0.5, 0, 0};
  for (std::size_t i = 0; i < 12; ++i) BOOST_TEST(near(dm[i], of_kl[i], 3));
  exec.gaussian_sample_backward({{dm.data(), 3, 4}, true}, {dz.data(), 3, 2}, {moments.data(), 3, 4},
                                {noise.data(), 3, 2}, all_of(ranges), {});
  const std::vector<double> of_z{1, 2, 0.5, 2, 3, 4, -3, 6, 5, 6, 0, 0};
  for (std::size_t i = 0; i < 12; ++i) BOOST_TEST(near(dm[i], of_kl[i] + of_z[i], 8));
}

// Of equal rows the lower; 0 where a distance is not finite, whichever operand it comes from.
BOOST_AUTO_TEST_CASE_TEMPLATE(nearest_rows_by_hand, Exec, policies) {
  using T = typename Exec::scalar;
  Exec exec;
  const T infinity = std::numeric_limits<T>::infinity(), none = std::numeric_limits<T>::quiet_NaN();
  std::vector<T> table{9, 9, 1, 0, 0, 2, 1, 0, -3, 0};
  const std::vector<T> x{1, 0, 0, 3, -1, 0, 8, 7, none, 2, 2, infinity, -infinity, 1};
  std::vector<token_t> found(7, -77);
  exec.nearest_rows(all_of(found), {x.data(), 7, 2}, {table.data(), 5, 2});
  BOOST_TEST((found == std::vector<token_t>{1, 2, 1, 0, 0, 0, 0}));  // (-1, 0) lies between rows 1 and 4
  table[8] = none;
  exec.nearest_rows(all_of(found), {x.data(), 7, 2}, {table.data(), 5, 2});
  BOOST_TEST((found == std::vector<token_t>(7, 0)));
}

// A table so long that the scores are worked out in more than one chunk: each of its rows is nearest to itself.
BOOST_AUTO_TEST_CASE_TEMPLATE(nearest_rows_in_chunks, Exec, policies) {
  Exec exec;
  trial<Exec> t(exec, 9);
  constexpr index_t entries = 65537, rows = 260, width = 4;
  const auto table = t.input(entries, width);
  const auto x = t.values(rows, width);
  for (index_t n = 0; n < rows; ++n) std::copy_n(table.row(entries - 1 - 250 * n), width, x.row(n));
  const auto found = t.indices(rows);
  exec.nearest_rows(found, x, table);
  for (index_t n = 0; n < rows; ++n) BOOST_TEST(found[n] == entries - 1 - 250 * n);
}

// A share 1 - p is kept and scaled by 1 / (1 - p), so that the mean stays; which, the key alone says.
BOOST_AUTO_TEST_CASE_TEMPLATE(dropout_keeps_its_share_and_the_mean, Exec, policies) {
  using T = typename Exec::scalar;
  Exec exec;
  constexpr index_t count = 100000;
  const std::vector<T> ones(count, T{1});
  for (const double rate : {0.0, 0.1, 0.5, 0.9}) {
    std::vector<T> y(count), again(count), later(count);
    const random_key key{11, 4, stream::dropout};
    exec.dropout({{y.data(), 1, count}, false}, {ones.data(), 1, count}, key, rate, 0);
    exec.dropout({{again.data(), count / 10, 10}, false}, {ones.data(), count / 10, 10}, key, rate, 0);
    BOOST_TEST((y == again));  // whatever the shape
    double kept = 0, mean = 0;
    for (const T v : y) {
      BOOST_REQUIRE((v == 0 || v == static_cast<T>(1 / (1 - rate))));
      kept += v != 0 ? 1.0 / count : 0.0;
      mean += static_cast<double>(v) / count;
    }
    const double deviation = std::sqrt(rate * (1 - rate) / count);
    BOOST_TEST(std::abs(kept - (1 - rate)) <= 4 * deviation + 1e-9);
    BOOST_TEST(std::abs(mean - 1) <= (4 * deviation + 1e-7) / (1 - rate));
    // Element i of one part is element first + i of the whole; another key drops others.
    exec.dropout({{later.data(), 1, 1000}, false}, {ones.data(), 1, 1000}, key, rate, 37);
    for (std::size_t i = 0; i < 1000; ++i) BOOST_REQUIRE(later[i] == y[i + 37]);
    exec.dropout({{again.data(), 1, count}, false}, {ones.data(), 1, count}, {12, 4, stream::dropout}, rate, 0);
    BOOST_TEST((again == y) == (rate == 0));
  }
}

// With weights that are the unit matrix the logits are x: loss = -Σ q log p and dx = weight (p - q), q the smoothed
// target: 1 - s + s/V where it is meant and s/V elsewhere. The z term is z log² Z.
BOOST_AUTO_TEST_CASE_TEMPLATE(label_smoothing_and_the_z_term, Exec, policies) {
  using T = typename Exec::scalar;
  Exec exec;
  constexpr index_t vocabulary = 5;
  constexpr token_t target = 3;
  const double weight = 0.75;
  std::vector<T> unit(vocabulary * vocabulary);
  for (std::size_t o = 0; o < vocabulary; ++o) unit[o * (vocabulary + 1)] = 1;
  const std::vector<T> x{T{0.5}, T{-1}, T{2}, T{0.25}, T{0}};
  const std::vector<token_t> targets{target};
  const std::vector<T> weights{static_cast<T>(weight)};
  for (const double smoothing : {0.0, 0.1, 1.0})
    for (const double z_weight : {0.0, 0.2}) {
      std::vector<T> loss(1), log_z(1), dx(vocabulary), dw(vocabulary * vocabulary);
      exec.cross_entropy(all_of(loss), all_of(log_z), {dx.data(), 1, vocabulary}, {dw.data(), vocabulary, vocabulary},
                         {x.data(), 1, vocabulary}, {unit.data(), vocabulary, vocabulary}, all_of(targets),
                         all_of(weights), z_weight, smoothing);
      double total = 0, expected = 0;
      for (const T logit : x) total += std::exp(static_cast<double>(logit));
      const double z = std::log(total);
      for (std::size_t o = 0; o < vocabulary; ++o) {
        const double p = std::exp(static_cast<double>(x[o]) - z);
        const double q = smoothing / vocabulary + (o == target ? 1 - smoothing : 0);
        expected -= q * std::log(p);
        const double slope = weight * (p * (1 + 2 * z_weight * z) - q);
        BOOST_TEST(near(dx[o], slope));
        for (std::size_t d = 0; d < vocabulary; ++d)
          BOOST_TEST(near(dw[o * vocabulary + d], slope * static_cast<double>(x[d]), 2));
      }
      BOOST_TEST(near(loss[0], expected, 3));
      BOOST_TEST(near(log_z[0], z, 3));
    }
}

// No logit above another: log V whatever the smoothing, and at smoothing 1 no gradient at all.
BOOST_AUTO_TEST_CASE_TEMPLATE(even_logits_cost_the_same_at_any_smoothing, Exec, policies) {
  using T = typename Exec::scalar;
  Exec exec;
  const std::vector<T> x{1, 1}, w(14, T{0.5}), weights{1};
  const std::vector<token_t> targets{6};
  for (const double smoothing : {0.0, 0.3, 1.0}) {
    std::vector<T> loss(1), log_z(1), dx(2);
    exec.cross_entropy(all_of(loss), all_of(log_z), {dx.data(), 1, 2}, {}, {x.data(), 1, 2}, {w.data(), 7, 2},
                       all_of(targets), all_of(weights), 0, smoothing);
    BOOST_TEST(near(loss[0], std::log(7.0), 2));
    BOOST_TEST(near(dx[0], 0.0));
  }
}

// Image by image: s x' + (1 - s) x, where x' = x std(reference) / std(x) (Lin et al. 2023, eq. 15 and 16).
BOOST_AUTO_TEST_CASE_TEMPLATE(match_deviation_by_hand, Exec, policies) {
  using T = typename Exec::scalar;
  Exec exec;
  // Deviations 2 and 6; 0 and 1; one value.
  const std::vector<T> reference{7, -5, 1, 3, 1, 9};
  const std::vector<image_place> places{{0, 0, {1, 1, 2}}, {2, 0, {1, 1, 2}}, {4, 0, {1, 1, 1}}};
  for (const double strength : {0.0, 0.5, 1.0}) {
    std::vector<T> x{1, 5, 4, 4, 8, 100};
    exec.match_deviation(all_of(x), all_of(reference), all_of(places), strength);
    const double by = 3 * strength + 1 - strength;
    const std::vector<double> expected{by, 5 * by, 4, 4, 8, 100};
    for (std::size_t i = 0; i < x.size(); ++i) BOOST_TEST(near(x[i], expected[i], 15));
  }
}

// Sizes 1, 2, 3, 4, 10: quantile 3/4 is 4, quantile 7/8 half way from 4 to 10 (Saharia et al. 2022, §2.3).
BOOST_AUTO_TEST_CASE_TEMPLATE(dynamic_threshold_by_hand, Exec, policies) {
  using T = typename Exec::scalar;
  Exec exec;
  const std::vector<image_place> places{{0, 0, {1, 1, 5}}, {5, 0, {1, 1, 2}}};
  const std::vector<T> values{-3, 10, 1, -4, 2, T{0.5}, T{-0.25}, 99};
  const auto check = [&](double quantile, double floor, double limit, std::vector<double> clamped) {
    std::vector<T> x = values;
    exec.dynamic_threshold(all_of(x), all_of(places), quantile, floor);
    for (std::size_t i = 0; i < 5; ++i) BOOST_TEST(near(x[i], clamped[i] * floor / limit, 10));
    // Where all lies below the floor, nothing happens; nor beyond the images.
    BOOST_TEST(x[5] == T{0.5});
    BOOST_TEST(x[6] == T{-0.25});
    BOOST_TEST(x[7] == T{99});
  };
  check(0.75, 1, 4, {-3, 4, 1, -4, 2});
  check(0.875, 1, 7, {-3, 7, 1, -4, 2});
  check(1, 2, 10, {-3, 10, 1, -4, 2});
  check(0, 0.5, 1, {-1, 1, 1, -1, 1});
  check(0, 1, 1, {-1, 1, 1, -1, 1});
  check(0.5, 20, 20, {-3, 10, 1, -4, 2});
}

BOOST_AUTO_TEST_CASE_TEMPLATE(scaled_error_by_hand, Exec, policies) {
  using T = typename Exec::scalar;
  Exec exec;
  const std::vector<image_place> places{{0, 0, {1, 1, 2}}, {2, 0, {1, 1, 1}}};
  const std::vector<T> error{3, -8, 1}, a{1, -6, 0}, b{-2, 3, 0};
  std::vector<T> out(2);
  exec.scaled_error(all_of(out), all_of(error), all_of(a), all_of(b), all_of(places), 1, 0.5);
  // Scales 1 + 2/2, 1 + 6/2 and 1: shares 3/2, -2 and 1.
  BOOST_TEST(near(out[0], std::sqrt((1.5 * 1.5 + 4) / 2), 2));
  BOOST_TEST(near(out[1], 1));
}

// Pair i turns by its axis' position, i modulo the axes, at the frequency that it has with one axis too.
BOOST_AUTO_TEST_CASE_TEMPLATE(rope_tables_of_several_axes, Exec, policies) {
  using T = typename Exec::real;
  Exec exec;
  constexpr index_t width = 14;
  const std::vector<token_t> at{3, 70, 11, 0, 5, 5};
  for (const index_t axes : {1, 2, 3}) {
    const index_t rows = 6 / axes;
    std::vector<T> table(static_cast<std::size_t>(rows * width));
    exec.rope_table({table.data(), rows, width}, {at.data(), rows, axes}, 100.0);
    for (index_t n = 0; n < rows; ++n)
      for (index_t i = 0; i < width / 2; ++i) {
        const double position = at[static_cast<std::size_t>(n * axes + i % axes)];
        const double angle = position / std::pow(100.0, 2 * static_cast<double>(i) / width);
        BOOST_TEST(near(table[static_cast<std::size_t>(n * width + 2 * i)], std::cos(angle)));
        BOOST_TEST(near(table[static_cast<std::size_t>(n * width + 2 * i + 1)], std::sin(angle)));
      }
  }
}

// The same number on every axis is one axis: text keeps the plain rotary embedding.
BOOST_AUTO_TEST_CASE_TEMPLATE(equal_positions_on_all_axes_are_one_axis, Exec, policies) {
  using T = typename Exec::real;
  Exec exec;
  const std::vector<token_t> one{9, 4}, three{9, 9, 9, 4, 4, 4};
  std::vector<T> plain(2 * 8), axial(2 * 8);
  exec.rope_table({plain.data(), 2, 8}, {one.data(), 2, 1}, 1e4);
  exec.rope_table({axial.data(), 2, 8}, {three.data(), 2, 3}, 1e4);
  BOOST_TEST((plain == axial));
}

// Neither rows nor images: nothing is read, written or divided by.
BOOST_AUTO_TEST_CASE_TEMPLATE(nothing_is_done_to_nothing, Exec, policies) {
  Exec exec;
  trial<Exec> t(exec, 4);
  const auto none = t.values(0, 6), w = t.values(1, 6), dw = t.values(1, 6), stats = t.values(0, 2);
  const auto before = dw(0, 5);
  const view<const key_interval, 1> no_ranges;
  const view<const image_place, 1> no_images;
  exec.layer_norm(none, stats, none, w.flat(), w.flat(), 1e-5);
  exec.layer_norm_backward({none, false}, dw.flat(), dw.flat(), none, none, w.flat(), stats);
  exec.group_norm(none, stats, none, w.flat(), w.flat(), no_ranges, 2, 1e-5);
  exec.group_norm_backward({none, false}, dw.flat(), dw.flat(), none, none, w.flat(), stats, no_ranges, 2);
  exec.max_pool(none, none, {nullptr, 0, 4});
  exec.max_pool_backward({none, false}, none, none, {nullptr, 0, 4}, {nullptr, 0, 4});
  exec.leaky_relu(none, none, 0.2);
  exec.leaky_relu_backward({none, false}, none, none, 0.2);
  exec.pointwise_error(error_kind::hinge, {}, {}, none.flat(), none.flat(), no_images, {});
  exec.gaussian_sample(none, {}, none, {}, no_ranges);
  exec.gaussian_sample_backward({none, false}, none, none, {}, no_ranges, {});
  exec.nearest_rows({}, none, w);
  exec.dropout({none, false}, none, {1, 2, stream::dropout}, 0.5, 3);
  exec.concatenate(none, none, none);
  exec.match_deviation(none.flat(), none.flat(), no_images, 0.7);
  exec.dynamic_threshold(none.flat(), no_images, 0.9, 1);
  exec.scaled_error(none.flat(), none.flat(), none.flat(), none.flat(), no_images, 1, 1);
  BOOST_TEST(dw(0, 5) == before);
}
