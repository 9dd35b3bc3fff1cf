// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE mask_truth_table
#include <boost/test/unit_test.hpp>
#include <random>
#include <string>

#include "transfusion/mask/bidirectional.hpp"
#include "transfusion/mask/causal.hpp"
#include "transfusion/mask/intra_image.hpp"

namespace tf = transfusion;
namespace mask = tf::mask;

namespace {

/// BOS t BOI p p p EOI u | BOI p p EOI p' (an image without markers, to show that the mask does not need them).
tf::span_table two_documents() {
  tf::span_table table;
  table.begin_document();
  table.append_text(3);
  table.append_span(1, 3, 0, false);
  table.append_text(2);
  table.begin_document();
  table.append_text();
  table.append_span(2, 1, 1, true);
  table.append_text();
  table.append_span(1, 1, 2, true);
  return table;
}

/// One string a row: '1' where the row sees the key.
template <class Mask>
std::vector<std::string> seen(const Mask& m, const tf::span_table& table) {
  std::vector<tf::key_interval> keys;
  mask::lower(m, table, 0, table.rows(), 0, keys);
  std::vector<std::string> rows;
  for (const tf::key_interval& interval : keys) {
    rows.emplace_back();
    for (tf::index_t k = 0; k < table.rows(); ++k) rows.back() += interval.contains(k) ? '1' : '0';
  }
  return rows;
}

tf::span_table random_table(unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](unsigned n) { return static_cast<tf::index_t>(random() % n); };
  tf::span_table table;
  tf::index_t image = 0;
  for (tf::index_t d = 0, documents = 1 + below(4); d < documents; ++d) {
    table.begin_document();
    table.append_text(below(3));
    for (tf::index_t part = 0, parts = 1 + below(5); part < parts; ++part) {
      if (below(2) == 0)
        table.append_text(1 + below(4));
      else
        table.append_span(1 + below(3), 1 + below(4), image++, false);
    }
  }
  return table;
}

/// Holds every mask against what `allowed(q, k)` says within one document, on many random tables.
template <class Mask, class Allowed>
void check(const Mask& m, Allowed allowed) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    const tf::span_table table = random_table(seed);
    const auto rows = seen(m, table);
    for (tf::index_t q = 0; q < table.rows(); ++q)
      for (tf::index_t k = 0; k < table.rows(); ++k) {
        const bool expected = table.document(q) == table.document(k) && allowed(table, q, k);
        if ((rows[static_cast<std::size_t>(q)][static_cast<std::size_t>(k)] == '1') != expected)
          BOOST_ERROR("seed " << seed << ", row " << q << ", key " << k << ": expected " << expected);
      }
  }
}

struct with_a_hole {
  tf::two_key_intervals keys(tf::index_t q, const tf::span_table& table) const {
    return {tf::key_interval::of(table.document_begin(q), q - 1), tf::key_interval::of(q, q + 1)};
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(causal_rows_see_their_document_up_to_themselves) {
  const std::vector<std::string> expected = {
      "1000000000000",  // BOS
      "1100000000000",  // t
      "1110000000000",  // BOI
      "1111000000000",  // p
      "1111100000000",  // p
      "1111110000000",  // p
      "1111111000000",  // EOI
      "1111111100000",  // u
      "0000000010000",  // BOI
      "0000000011000",  // p
      "0000000011100",  // p
      "0000000011110",  // EOI
      "0000000011111",  // p'
  };
  BOOST_TEST(seen(mask::causal{}, two_documents()) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(intra_image_rows_see_their_whole_image_too) {
  const std::vector<std::string> expected = {
      "1000000000000",  // BOS
      "1100000000000",  // t
      "1110000000000",  // BOI
      "1111110000000",  // p
      "1111110000000",  // p
      "1111110000000",  // p
      "1111111000000",  // EOI
      "1111111100000",  // u
      "0000000010000",  // BOI
      "0000000011100",  // p
      "0000000011100",  // p
      "0000000011110",  // EOI
      "0000000011111",  // p'
  };
  BOOST_TEST(seen(mask::intra_image{}, two_documents()) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(bidirectional_rows_see_their_whole_document) {
  const std::vector<std::string> first(8, "1111111100000"), second(5, "0000000011111");
  auto expected = first;
  expected.insert(expected.end(), second.begin(), second.end());
  BOOST_TEST(seen(mask::bidirectional{}, two_documents()) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(causal_is_its_formula_on_random_tables) {
  check(mask::causal{}, [](const tf::span_table&, tf::index_t q, tf::index_t k) { return k <= q; });
}

// allow(q, k) = (k <= q) OR (img(q) >= 0 AND img(q) == img(k)), paper.md §3.2.
BOOST_AUTO_TEST_CASE(intra_image_is_its_formula_on_random_tables) {
  check(mask::intra_image{}, [](const tf::span_table& table, tf::index_t q, tf::index_t k) {
    const auto image = [&](tf::index_t row) { return table.span_of(row) ? table.span_of(row)->image : -1; };
    return k <= q || (image(q) >= 0 && image(q) == image(k));
  });
}

BOOST_AUTO_TEST_CASE(bidirectional_is_its_formula_on_random_tables) {
  check(mask::bidirectional{}, [](const tf::span_table&, tf::index_t, tf::index_t) { return true; });
}

BOOST_AUTO_TEST_CASE(lowering_takes_the_rows_asked_for_and_shifts_both_ends) {
  const tf::span_table table = two_documents();
  std::vector<tf::key_interval> all, part{{-1, -1}};
  mask::lower(mask::intra_image{}, table, 0, table.rows(), 0, all);
  mask::lower(mask::intra_image{}, table, 3, 10, 100, part);
  BOOST_REQUIRE(part.size() == 8u);
  BOOST_TEST((part[0] == tf::key_interval{-1, -1}));  // appended to what stood there
  for (std::size_t i = 1; i < part.size(); ++i) {
    BOOST_TEST(part[i].begin == all[i + 2].begin + 100);
    BOOST_TEST(part[i].end == all[i + 2].end + 100);
  }
}

BOOST_AUTO_TEST_CASE(a_mask_with_a_hole_gives_two_intervals_a_row) {
  static_assert(mask::intervals_per_row<with_a_hole> == 2);
  static_assert(mask::intervals_per_row<mask::causal> == 1);
  const tf::span_table table = two_documents();
  std::vector<tf::key_interval> keys;
  mask::lower(with_a_hole{}, table, 9, 11, 5, keys);
  const std::vector<tf::key_interval> expected = {{13, 13}, {14, 15}, {13, 14}, {15, 16}};
  BOOST_TEST((keys == expected));
}
