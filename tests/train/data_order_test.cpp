// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE train_data_order
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <numeric>
#include <vector>

#include "transfusion/train/data_order.hpp"

namespace tf = transfusion;

namespace {

std::vector<tf::index_t> epoch_of(const tf::data_order& order, tf::index_t count, tf::index_t epoch) {
  std::vector<tf::index_t> items;
  for (tf::index_t i = 0; i < count; ++i) items.push_back(order(epoch * count + i));
  return items;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_epoch_is_a_permutation) {
  for (tf::index_t count : {1, 2, 3, 4, 5, 7, 16, 17, 63, 64, 65, 1000, 1025, 60000}) {
    const tf::data_order order(3, count);
    for (tf::index_t epoch : {0, 1, 5}) {
      auto items = epoch_of(order, count, epoch);
      std::sort(items.begin(), items.end());
      std::vector<tf::index_t> all(static_cast<std::size_t>(count));
      std::iota(all.begin(), all.end(), 0);
      BOOST_TEST((items == all), "count " << count << ", epoch " << epoch);
    }
  }
}

BOOST_AUTO_TEST_CASE(epochs_and_seeds_have_orders_of_their_own) {
  const tf::data_order order(3, 1000);
  BOOST_TEST((epoch_of(order, 1000, 0) != epoch_of(order, 1000, 1)));
  BOOST_TEST((epoch_of(order, 1000, 0) != epoch_of(tf::data_order(4, 1000), 1000, 0)));
}

BOOST_AUTO_TEST_CASE(the_order_is_a_pure_function_of_seed_and_place) {
  const tf::data_order order(3, 1000), same(3, 1000);
  for (tf::index_t place = 4999; place >= 0; place -= 7) BOOST_TEST(same(place) == order(place));
}

// Neighbours in the order are as far apart as random ones: |i - j| has the mean (n² - 1) / 3n.
BOOST_AUTO_TEST_CASE(neighbours_are_strangers) {
  const tf::index_t count = 5000;
  for (std::uint64_t seed : {0u, 1u, 2u}) {
    const tf::data_order order(seed, count);
    double distance = 0, displaced = 0;
    for (tf::index_t i = 0; i + 1 < count; ++i) {
      distance += std::abs(static_cast<double>(order(i + 1) - order(i)));
      displaced += std::abs(static_cast<double>(order(i) - i));
    }
    BOOST_TEST(std::abs(distance / count - count / 3.0) < 0.05 * count);
    BOOST_TEST(std::abs(displaced / count - count / 3.0) < 0.05 * count);
  }
}

BOOST_AUTO_TEST_CASE(an_item_comes_first_as_often_as_another) {
  std::vector<double> first(8);
  const tf::index_t epochs = 8000;
  const tf::data_order order(9, 8);
  for (tf::index_t e = 0; e < epochs; ++e) first[static_cast<std::size_t>(order(8 * e))] += 1;
  for (double n : first) BOOST_TEST(std::abs(n - 1000) < 5 * std::sqrt(1000.0 * 7 / 8));
}

BOOST_AUTO_TEST_CASE(an_empty_data_set_is_refused) { BOOST_CHECK_THROW(tf::data_order(3, 0), tf::config_error); }
