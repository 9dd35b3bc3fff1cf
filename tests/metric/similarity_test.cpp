// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE metric_similarity
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "transfusion/metric/similarity.hpp"

namespace tf = transfusion;

namespace {

constexpr double pi = 3.14159265358979323846;

using numbers = std::vector<double>;

tf::view<const double, 2> rows(const numbers& x, tf::index_t width) {
  return {x.data(), static_cast<tf::index_t>(x.size()) / width, width};
}

/// Vectors of the plane at these angles, of lengths that rise.
numbers at_angles(const numbers& angles) {
  numbers x;
  for (const double a : angles) {
    const double length = 1 + static_cast<double>(x.size());
    x.push_back(length * std::cos(a));
    x.push_back(length * std::sin(a));
  }
  return x;
}

numbers random_numbers(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  numbers x(count);
  for (double& v : x) v = normal(random);
  return x;
}

/// By its definition, pair by pair.
double recall_by_hand(const numbers& queries, const numbers& keys, std::size_t width, tf::index_t k) {
  const std::size_t count = queries.size() / width;
  const auto cosine = [&](std::size_t q, std::size_t key) {
    double product = 0, a = 0, b = 0;
    for (std::size_t f = 0; f < width; ++f) {
      const double x = queries[q * width + f], y = keys[key * width + f];
      product += x * y;
      a += x * x;
      b += y * y;
    }
    return product / std::sqrt(a * b);
  };
  double hits = 0;
  for (std::size_t q = 0; q < count; ++q) {
    tf::index_t rivals = 0;
    for (std::size_t key = 0; key < count; ++key) rivals += key != q && cosine(q, key) >= cosine(q, q);
    hits += rivals < k;
  }
  return hits / static_cast<double>(count);
}

}  // namespace

BOOST_AUTO_TEST_CASE(scores_are_a_hundred_cosines) {
  const auto images = at_angles({0, 1, 2, 0.3}), texts = at_angles({0, 1 + pi / 3, 2 + pi / 2, 0.3 + pi});
  const auto s = tf::paired_similarity(rows(images, 2), rows(texts, 2));
  const numbers expected = {100, 50, 0, -100};
  for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(std::abs(s.each[i] - expected[i]) < 1e-12);
  BOOST_TEST(std::abs(s.mean - 12.5) < 1e-12);
}

BOOST_AUTO_TEST_CASE(clip_score_has_no_negative_ones) {
  const auto images = at_angles({0, 1, 2}), texts = at_angles({0, 1 - pi / 3, 2 + pi});
  const auto s = tf::paired_similarity(rows(images, 2), rows(texts, 2), tf::hessel_clip_score);
  const numbers expected = {2.5, 1.25, 0};
  for (std::size_t i = 0; i < 3; ++i) BOOST_TEST(std::abs(s.each[i] - expected[i]) < 1e-12);
  BOOST_TEST(std::abs(s.mean - 1.25) < 1e-12);
}

BOOST_AUTO_TEST_CASE(lengths_do_not_matter_however_small_or_large) {
  const numbers tiny = {3e-200, 4e-200}, huge = {4e200, 3e200};
  BOOST_TEST(std::abs(tf::paired_similarity(rows(tiny, 2), rows(huge, 2)).mean - 96) < 1e-12);
  const std::vector<float> a = {3e-20f, 4e-20f}, b = {4e20f, 3e20f};
  const auto s =
      tf::paired_similarity(tf::view<const float, 2>(a.data(), 1, 2), tf::view<const float, 2>(b.data(), 1, 2));
  BOOST_TEST(std::abs(s.mean - 96) < 1e-5);
}

BOOST_AUTO_TEST_CASE(recall_is_as_counted_by_hand) {
  // More rows than are compared at a time; the pairs are alike, some more than others.
  constexpr std::size_t count = 150, width = 6;
  const auto queries = random_numbers(count * width, 1), noise = random_numbers(count * width, 2);
  numbers keys = queries;
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] += noise[i];
  double before = 0.1;
  for (const tf::index_t k : {1, 5, 30}) {
    const auto r = tf::retrieval_recall(rows(queries, width), rows(keys, width), k);
    BOOST_TEST(r.mean == recall_by_hand(queries, keys, width, k));
    BOOST_TEST(r.mean > before);
    before = r.mean;
  }
  BOOST_TEST(before < 1);
  BOOST_TEST(tf::retrieval_recall(rows(queries, width), rows(keys, width), count).mean == 1);
  BOOST_TEST(tf::retrieval_recall(rows(queries, width), rows(queries, width)).mean == 1);
}

BOOST_AUTO_TEST_CASE(one_answer_for_everything_recalls_nothing) {
  constexpr std::size_t count = 99, width = 7;
  const auto queries = random_numbers(count * width, 3);
  numbers keys;
  for (std::size_t i = 0; i < count; ++i) keys.insert(keys.end(), queries.begin(), queries.begin() + width);
  BOOST_TEST(tf::retrieval_recall(rows(queries, width), rows(keys, width), 1).mean == 0);
  BOOST_TEST(tf::retrieval_recall(rows(queries, width), rows(keys, width), count - 1).mean == 0);
}

BOOST_AUTO_TEST_CASE(which_queries_succeed_is_told) {
  const auto queries = at_angles({0, 1, 2}), keys = at_angles({0.1, 1.9, 1.8});
  const auto r = tf::retrieval_recall(rows(queries, 2), rows(keys, 2));
  BOOST_TEST(r.each == numbers({1, 0, 0}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused) {
  const auto two = at_angles({0, 1}), three = at_angles({0, 1, 2});
  const numbers zero = {1, 0, 0, 0}, bad = {1, 0, std::nan(""), 0},
                endless = {1, 0, std::numeric_limits<double>::infinity(), 0}, none;
  const auto refused = [&](auto measure) {
    BOOST_CHECK_THROW(measure(rows(two, 2), rows(three, 2)), tf::shape_error);
    BOOST_CHECK_THROW(measure(rows(three, 2), rows(three, 3)), tf::shape_error);
    BOOST_CHECK_THROW(measure(rows(none, 2), rows(none, 2)), tf::config_error);
    for (const numbers& x : {zero, bad, endless}) {
      BOOST_CHECK_THROW(measure(rows(two, 2), rows(x, 2)), tf::numeric_error);
      BOOST_CHECK_THROW(measure(rows(x, 2), rows(two, 2)), tf::numeric_error);
    }
  };
  refused([](auto a, auto b) { return tf::paired_similarity(a, b); });
  refused([](auto a, auto b) { return tf::retrieval_recall(a, b); });
  BOOST_CHECK_THROW(tf::retrieval_recall(rows(two, 2), rows(two, 2), 0), tf::config_error);
}
