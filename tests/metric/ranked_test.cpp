// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE metric_ranked
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "transfusion/metric/ranked.hpp"

namespace tf = transfusion;

namespace {

const std::vector<tf::ranked_item> items = {
    {{{-4, 2}, {-3, 1}, {-9, 6}}, 1},  // -4 -3 -9, or -2 -3 -1.5 by length
    {{{-8, 4}, {-7, 2}}, 1},           // -8 -7, or -2 -3.5
    {{{-2, 1}, {-2, 1}, {-1, 1}}, 0},
    {{{-5, 3}}, 0},
};

using chosen = std::vector<tf::index_t>;
using right = std::vector<double>;

double infinity() { return std::numeric_limits<double>::infinity(); }

}  // namespace

BOOST_AUTO_TEST_CASE(the_likeliest_option_is_chosen) {
  const auto r = tf::ranked_accuracy(items);
  BOOST_TEST(r.chosen == chosen({1, 1, 2, 0}), boost::test_tools::per_element());
  BOOST_TEST(r.right == right({1, 1, 0, 1}), boost::test_tools::per_element());
  BOOST_TEST(r.accuracy == 0.75);
}

BOOST_AUTO_TEST_CASE(long_options_may_be_compared_by_their_mean) {
  const auto r = tf::ranked_accuracy(items, tf::rank_by::mean_over_length);
  BOOST_TEST(r.chosen == chosen({2, 0, 2, 0}), boost::test_tools::per_element());
  BOOST_TEST(r.accuracy == 0.25);
}

BOOST_AUTO_TEST_CASE(of_equals_the_first_is_chosen) {
  const auto r = tf::ranked_accuracy({{{{-1, 1}, {-1, 1}}, 1}, {{{-infinity(), 1}, {-infinity(), 1}}, 0}});
  BOOST_TEST(r.chosen == chosen({0, 0}), boost::test_tools::per_element());
  BOOST_TEST(r.accuracy == 0.5);
}

BOOST_AUTO_TEST_CASE(an_impossible_option_is_the_last_choice) {
  BOOST_TEST(tf::ranked_accuracy({{{{-infinity(), 1}, {-1e9, 1}}, 1}}).accuracy == 1);
}

BOOST_AUTO_TEST_CASE(perplexity_of_a_uniform_guess_is_the_number_of_words) {
  for (const tf::index_t targets : {1, 7, 100000})
    BOOST_TEST(tf::perplexity(-static_cast<double>(targets) * std::log(521.0), targets) == 521,
               boost::test_tools::tolerance(1e-12));
  BOOST_TEST(tf::perplexity(0, 3) == 1);
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused) {
  const auto by_length = tf::rank_by::mean_over_length;
  BOOST_CHECK_THROW(tf::ranked_accuracy({}), tf::config_error);
  BOOST_CHECK_THROW(tf::ranked_accuracy({{{}, 0}}), tf::config_error);
  BOOST_CHECK_THROW(tf::ranked_accuracy({{{{-1, 1}}, 1}}), tf::config_error);
  BOOST_CHECK_THROW(tf::ranked_accuracy({{{{-1, 1}}, -1}}), tf::config_error);
  BOOST_CHECK_THROW(tf::ranked_accuracy({{{{-1, 0}}, 0}}, by_length), tf::config_error);
  BOOST_TEST(tf::ranked_accuracy({{{{-1, 0}}, 0}}).accuracy == 1);
  BOOST_CHECK_THROW(tf::ranked_accuracy({{{{std::nan(""), 1}}, 0}}), tf::numeric_error);
  BOOST_CHECK_THROW(tf::perplexity(-1, 0), tf::config_error);
  BOOST_CHECK_THROW(tf::perplexity(std::nan(""), 1), tf::numeric_error);
}
