// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE pair
#include "transfusion/sequence/pair.hpp"

#include <boost/test/unit_test.hpp>

#include "transfusion/core/philox.hpp"

namespace tf = transfusion;

namespace {

bool caption_first(double u, double share = tf::caption_first_share) {
  const auto d = tf::paired({{5}}, {{1, 1, 1}, {0.5f}}, u, share);
  BOOST_REQUIRE(d.segments.size() == 2u);
  return std::holds_alternative<tf::text>(d.segments[0]) && std::holds_alternative<tf::image>(d.segments[1]);
}

}  // namespace

BOOST_AUTO_TEST_CASE(four_pairs_in_five_begin_with_their_caption) {
  const tf::random_key key{3, 0, tf::stream::document_order};
  int first = 0;
  for (std::uint64_t i = 0; i < 10000; ++i) first += caption_first(key.uniform(i));
  BOOST_TEST(first > 7880);
  BOOST_TEST(first < 8120);
}

BOOST_AUTO_TEST_CASE(nothing_is_lost_in_either_order) {
  for (const double u : {0.1, 0.9}) {
    const auto d = tf::paired({{5, 6}}, {{1, 1, 1}, {0.5f}}, u);
    const std::size_t words = caption_first(u) ? 0 : 1;
    BOOST_TEST(std::get<tf::text>(d.segments[words]).tokens.size() == 2u);
    BOOST_TEST(std::get<tf::image>(d.segments[1 - words]).values.at(0) == 0.5f);
  }
  BOOST_TEST(!caption_first(0.5, 0.5));
  BOOST_TEST(caption_first(0.499, 0.5));
}
