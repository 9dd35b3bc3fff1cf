// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE core_view
#include <boost/test/unit_test.hpp>
#include <type_traits>
#include <vector>

#include "transfusion/core/image.hpp"
#include "transfusion/core/interval.hpp"
#include "transfusion/core/view.hpp"

using namespace transfusion;

static_assert(std::is_trivially_copyable_v<view<float, 1>> && std::is_trivially_copyable_v<view<float, 2>>);
static_assert(std::is_trivially_copyable_v<gradient_sink<float>>);
static_assert(std::is_convertible_v<view<float, 2>, view<const float, 2>>);
static_assert(!std::is_convertible_v<view<const float, 2>, view<float, 2>>);
static_assert(!std::is_convertible_v<view<float, 2>, view<double, 2>>);

static_assert(image_shape{3, 4, 5}.size() == 60);
static_assert(key_interval::of(2, 5).contains(2) && key_interval::of(2, 5).contains(4));
static_assert(!key_interval::of(2, 5).contains(1) && !key_interval::of(2, 5).contains(5));
static_assert(!key_interval{}.contains(0) && !key_interval::of(5, 2).contains(3));

BOOST_AUTO_TEST_CASE(rows_and_columns) {
  std::vector<int> data{0, 1, 2, 3, 4, 5};
  const view<int, 2> m(data.data(), 2, 3);
  BOOST_TEST(m.rows() == 2);
  BOOST_TEST(m.cols() == 3);
  BOOST_TEST(m.size() == 6);
  BOOST_TEST(m(1, 2) == 5);
  BOOST_TEST(*m.row(1) == 3);
  m(0, 1) = 9;
  BOOST_TEST(data[1] == 9);
}

BOOST_AUTO_TEST_CASE(slices) {
  std::vector<int> data{0, 1, 2, 3, 4, 5};
  const view<int, 2> m(data.data(), 3, 2);
  const view<int, 2> tail = m.slice(1, 3);
  BOOST_TEST(tail.rows() == 2);
  BOOST_TEST(tail.cols() == 2);
  BOOST_TEST(tail(0, 0) == 2);
  BOOST_TEST(m.slice(2, 2).size() == 0);
  const view<int, 1> flat = m.flat();
  BOOST_TEST(flat.size() == 6);
  BOOST_TEST(flat.slice(4, 6)[1] == 5);
  BOOST_TEST(flat.slice(4, 6).size() == 2);
}

BOOST_AUTO_TEST_CASE(empty_views) {
  BOOST_TEST((!view<int, 1>{}));
  BOOST_TEST((view<int, 2>{}.size() == 0));
  BOOST_TEST(!gradient_sink<int>{});
  int number = 0;
  BOOST_TEST(static_cast<bool>(view<int, 1>(&number, 1)));
  BOOST_TEST(static_cast<bool>(gradient_sink<int>{{&number, 1, 1}, false}));
}

// Extents are 64 bits wide: no data is touched here.
BOOST_AUTO_TEST_CASE(large_extents) {
  char byte = 0;
  const view<char, 2> m(&byte, index_t{1} << 20, index_t{1} << 20);
  BOOST_TEST(m.size() == index_t{1} << 40);
  BOOST_TEST(m.slice(0, index_t{1} << 19).size() == index_t{1} << 39);
}
