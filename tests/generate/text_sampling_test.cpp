// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE generate_text_sampling
#include <boost/test/unit_test.hpp>
#include <limits>
#include <map>

#include "support/toy.hpp"
#include "transfusion/core/philox.hpp"
#include "transfusion/generate/text_sampling.hpp"

namespace tf = transfusion;
using test_support::fails_saying;

namespace {

constexpr double minus_infinity = -std::numeric_limits<double>::infinity();

/// How often each token is drawn, per draw.
std::map<tf::token_t, double> shares(const std::vector<double>& logits, const tf::text_sampling& s, int draws = 40000) {
  std::map<tf::token_t, double> found;
  const tf::random_key key{3, 0, tf::stream::test};
  for (int i = 0; i < draws; ++i)
    found[tf::sample_token(logits, s, key.uniform(static_cast<std::uint64_t>(i)))] += 1.0 / draws;
  return found;
}

/// Each share within five standard deviations of softmax(logits / temperature) over these tokens; no other token drawn.
void check_shares(const std::vector<double>& logits, const tf::text_sampling& s,
                  const std::vector<tf::token_t>& tokens) {
  const int draws = 40000;
  auto found = shares(logits, s, draws);
  double sum = 0;
  const double top = *std::max_element(logits.begin(), logits.end());
  const auto weight = [&](tf::token_t t) {
    return std::exp((logits[static_cast<std::size_t>(t)] - top) / s.temperature);
  };
  for (auto t : tokens) sum += weight(t);
  for (auto t : tokens) {
    const double p = weight(t) / sum;
    BOOST_TEST(std::abs(found[t] - p) < 1e-9 + 5 * std::sqrt(p * (1 - p) / draws),
               "token " << t << ": " << found[t] << ", " << p);
    found.erase(t);
  }
  BOOST_TEST(found.empty());
}

const std::vector<double> logits = {0.5, -1, 2, 1.5, minus_infinity, -0.25};

}  // namespace

BOOST_AUTO_TEST_CASE(greedy_takes_the_likeliest_token_whatever_the_draw) {
  for (double u : {1e-9, 0.5, 1 - 1e-9}) BOOST_TEST(tf::sample_token(logits, {}, u) == 2);
  BOOST_TEST(tf::sample_token(std::vector<float>{-3, -2, -5}, {}, 0.5) == 1);
}

BOOST_AUTO_TEST_CASE(ties_go_to_the_lower_token) {
  BOOST_TEST(tf::sample_token(std::vector<double>{1, 3, 3, 3}, {}, 0.9) == 1);
  BOOST_TEST(tf::sample_token(std::vector<double>{1, 3, 3, 3}, {.temperature = 1, .top_k = 1}, 0.9) == 1);
  check_shares({1, 3, 3, 3}, {.temperature = 1, .top_k = 2}, {1, 2});
}

BOOST_AUTO_TEST_CASE(temperatures_sharpen_and_flatten_the_softmax) {
  for (double temperature : {0.3, 1.0, 2.5}) check_shares(logits, {.temperature = temperature}, {0, 1, 2, 3, 5});
}

BOOST_AUTO_TEST_CASE(a_temperature_near_zero_is_greedy) {
  for (double u : {1e-9, 0.5, 1 - 1e-9}) BOOST_TEST(tf::sample_token(logits, {.temperature = 1e-300}, u) == 2);
}

BOOST_AUTO_TEST_CASE(top_k_keeps_the_k_likeliest) {
  check_shares(logits, {.temperature = 1, .top_k = 1}, {2});
  check_shares(logits, {.temperature = 1, .top_k = 3}, {0, 2, 3});
  check_shares(logits, {.temperature = 1, .top_k = 100}, {0, 1, 2, 3, 5});
}

// Probabilities 0.5, 0.25, 0.125, 0.125.
BOOST_AUTO_TEST_CASE(top_p_keeps_the_smallest_set_that_reaches_p) {
  const double half = std::log(2.0);
  const std::vector<double> l = {-2 * half, 0, -half, -2 * half};
  const auto with = [](double p) { return tf::text_sampling{.temperature = 1, .top_p = p}; };
  check_shares(l, with(0.01), {1});
  check_shares(l, with(0.499), {1});
  check_shares(l, with(0.6), {1, 2});
  check_shares(l, with(0.749), {1, 2});
  check_shares(l, with(0.8), {1, 2, 0});
  check_shares(l, with(1), {0, 1, 2, 3});
}

BOOST_AUTO_TEST_CASE(top_p_counts_among_what_top_k_left) {
  const double half = std::log(2.0);
  const std::vector<double> l = {-2 * half, 0, -half, -2 * half};
  check_shares(l, {.temperature = 1, .top_k = 2, .top_p = 0.66}, {1});  // 2/3 of what is left
  check_shares(l, {.temperature = 1, .top_k = 2, .top_p = 0.67}, {1, 2});
}

BOOST_AUTO_TEST_CASE(a_forbidden_token_is_never_drawn) {
  const std::vector<double> l = {minus_infinity, 1, minus_infinity, 0, minus_infinity};
  for (double u : {1e-12, 0.3, 0.99, 1 - 1e-12})
    for (const tf::text_sampling& s :
         {tf::text_sampling{}, tf::text_sampling{.temperature = 1}, tf::text_sampling{.temperature = 50, .top_k = 4},
          tf::text_sampling{.temperature = 50, .top_p = 0.999999}}) {
      const auto t = tf::sample_token(l, s, u);
      BOOST_TEST((t == 1 || t == 3));
    }
}

BOOST_AUTO_TEST_CASE(large_logits_do_not_overflow) { check_shares({1000, 1001, 999}, {.temperature = 1}, {0, 1, 2}); }

BOOST_AUTO_TEST_CASE(logits_that_are_no_numbers_are_refused) {
  for (const tf::text_sampling& s : {tf::text_sampling{}, tf::text_sampling{.temperature = 1}}) {
    fails_saying<tf::numeric_error>(
        [&] {
          tf::sample_token(std::vector<double>{1, std::nan(""), 0}, s, 0.5);
        },
        {"token 1"});
    fails_saying<tf::numeric_error>(
        [&] {
          tf::sample_token(std::vector<double>{-minus_infinity, 1}, s, 0.5);
        },
        {"token 0"});
    fails_saying<tf::numeric_error>([&] { tf::sample_token(std::vector<double>(3, minus_infinity), s, 0.5); },
                                    {"no token"});
  }
}

BOOST_AUTO_TEST_CASE(settings_outside_their_range_are_refused_by_name) {
  const auto refused = [](const tf::text_sampling& s, const char* name) {
    fails_saying<tf::config_error>([&] { tf::require_valid(s); }, {name, "found", "expected"});
  };
  refused({.temperature = -0.1}, "temperature");
  refused({.temperature = std::nan("")}, "temperature");
  refused({.top_k = -1}, "top_k");
  refused({.top_p = 0}, "top_p");
  refused({.top_p = 1.01}, "top_p");
  BOOST_CHECK_NO_THROW(tf::require_valid({.temperature = 2, .top_k = 5, .top_p = 0.1}));
}
