// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE mask_truth_table
#include <boost/test/unit_test.hpp>
#include <string>
#include <tuple>

#include "mask/formulas.hpp"

using namespace mask_tests;

namespace {

using strings = std::vector<std::string>;

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

/// BOS BOI c c EOI BOI d EOI, then the noised copies c' c' and d' | t BOI e EOI, then e'.
tf::span_table with_noised_copies() {
  tf::span_table table;
  table.begin_document();
  table.append_text(2);
  table.append_span(1, 2, 0, false);
  table.append_text(2);
  table.append_span(1, 1, 1, false);
  table.append_text();
  table.append_span({.image = 2, .rows = 1, .cols = 2, .source = 0});
  table.append_span({.image = 3, .rows = 1, .cols = 1, .source = 1});
  table.begin_document();
  table.append_text(2);
  table.append_span(1, 1, 4, false);
  table.append_text();
  table.append_span({.image = 5, .rows = 1, .cols = 1, .source = 4});
  return table;
}

/// One string a row: '1' where the row sees the key, '2' where it would see it twice.
template <class Mask>
strings seen(const Mask& m, const tf::span_table& table) {
  std::vector<tf::key_interval> keys;
  mask::lower(m, table, 0, table.rows(), 0, keys);
  const auto per_row = static_cast<std::size_t>(mask::intervals_per_row<Mask>);
  BOOST_REQUIRE(keys.size() == per_row * static_cast<std::size_t>(table.rows()));
  strings rows;
  for (std::size_t q = 0; q < keys.size() / per_row; ++q) {
    rows.emplace_back();
    for (tf::index_t k = 0; k < table.rows(); ++k) {
      char count = '0';
      for (std::size_t i = 0; i < per_row; ++i) count = static_cast<char>(count + keys[q * per_row + i].contains(k));
      rows.back() += count;
    }
  }
  return rows;
}

struct with_a_hole {
  tf::two_key_intervals keys(tf::index_t q, const tf::span_table& table) const {
    return {tf::key_interval::of(table.document_begin(q), q - 1), tf::key_interval::of(q, q + 1)};
  }
};

template <class Error, class Call>
void fails_saying(Call call, const strings& words) {
  BOOST_CHECK_EXCEPTION(call(), Error, [&](const Error& e) {
    for (const auto& word : words)
      if (std::string(e.what()).find(word) == std::string::npos) {
        BOOST_TEST_MESSAGE("'" << word << "' is not in: " << e.what());
        return false;
      }
    return true;
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(causal_rows_see_their_document_up_to_themselves) {
  const strings expected = {
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
  const strings expected = {
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
  const strings first(8, "1111111100000"), second(5, "0000000011111");
  auto expected = first;
  expected.insert(expected.end(), second.begin(), second.end());
  BOOST_TEST(seen(mask::bidirectional{}, two_documents()) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(prefix_rows_see_each_other_both_ways) {
  tf::span_table table;  // BOS t | BOI p p EOI u, the first two being the prefix; then p p | EOI, cut in its image
  table.begin_document();
  table.append_text(2);
  table.end_prefix();
  table.append_text();
  table.append_span(1, 2, 0, false);
  table.append_text(2);
  table.begin_document();
  table.append_span(1, 2, 1, false);
  table.append_text();
  table.end_prefix();
  table.append_text();
  const strings expected = {
      "11000000000",  // BOS
      "11000000000",  // t
      "11100000000",  // BOI
      "11111000000",  // p
      "11111000000",  // p
      "11111100000",  // EOI
      "11111110000",  // u
      "00000001110",  // p
      "00000001110",  // p
      "00000001110",  // EOI
      "00000001111",  // v
  };
  BOOST_TEST(seen(mask::prefix<>{}, table) == expected, boost::test_tools::per_element());
  auto patches_causal = expected;
  patches_causal[3] = "11110000000";
  BOOST_TEST(seen(mask::prefix<mask::causal>{}, table) == patches_causal, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_prefix_that_ends_within_an_image_keeps_it_whole) {
  tf::span_table table;
  table.begin_document();
  table.append_text();
  table.append_span(1, 1, 0, false);
  table.end_prefix();
  table.append_span(1, 2, 1, false);
  const strings expected = {"1100", "1100", "1111", "1111"};
  BOOST_TEST(seen(mask::prefix<>{}, table) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(without_a_prefix_the_base_is_left) {
  BOOST_TEST(seen(mask::prefix<>{}, two_documents()) == seen(mask::intra_image{}, two_documents()),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(sliding_window_rows_see_so_many_rows_before_themselves_or_their_image) {
  const strings expected = {
      "1000000000000",  // BOS
      "1100000000000",  // t
      "1110000000000",  // BOI
      "0111110000000",  // p
      "0111110000000",  // p
      "0111110000000",  // p
      "0000111000000",  // EOI
      "0000011100000",  // u
      "0000000010000",  // BOI
      "0000000011100",  // p
      "0000000011100",  // p
      "0000000001110",  // EOI
      "0000000000111",  // p'
  };
  BOOST_TEST(seen(mask::sliding_window<mask::intra_image, 2>{}, two_documents()) == expected,
             boost::test_tools::per_element());
  auto patches_causal = expected;
  patches_causal[3] = "0111000000000";
  patches_causal[4] = "0111100000000";
  patches_causal[9] = "0000000011000";
  BOOST_TEST(seen(mask::sliding_window<mask::causal, 2>{}, two_documents()) == patches_causal,
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_window_of_no_rows_leaves_the_row_and_its_image) {
  const auto rows = seen(mask::sliding_window<mask::intra_image, 0>{}, two_documents());
  BOOST_TEST(rows[1] == "0100000000000");
  BOOST_TEST(rows[4] == "0001110000000");
  BOOST_TEST(rows[6] == "0000001000000");
}

BOOST_AUTO_TEST_CASE(noised_images_are_seen_by_themselves_alone) {
  const strings expected = {
      "1000000000000000",  // BOS
      "1100000000000000",  // BOI
      "1111000000000000",  // c
      "1111000000000000",  // c
      "1111100000000000",  // EOI
      "1111110000000000",  // BOI
      "1111111000000000",  // d
      "1111111100000000",  // EOI
      "1100000011000000",  // c': what stands before c, and c'
      "1100000011000000",  // c'
      "1111110000100000",  // d': before d, the clean c too
      "0000000000010000",  // t
      "0000000000011000",  // BOI
      "0000000000011100",  // e
      "0000000000011110",  // EOI
      "0000000000011001",  // e'
  };
  BOOST_TEST(seen(mask::noised_hidden{}, with_noised_copies()) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(without_copies_noised_hidden_is_the_papers_mask) {
  BOOST_TEST(seen(mask::noised_hidden{}, two_documents()) == seen(mask::intra_image{}, two_documents()),
             boost::test_tools::per_element());
}

// A noised copy is read where its clean one stands, so the window is counted back from there.
BOOST_AUTO_TEST_CASE(a_window_over_noised_copies_begins_at_the_clean_ones) {
  const auto rows = seen(mask::sliding_window<mask::noised_hidden, 1>{}, with_noised_copies());
  BOOST_TEST(rows[3] == "0111000000000000");
  BOOST_TEST(rows[8] == "0100000011000000");
  BOOST_TEST(rows[10] == "0000010000100000");
  BOOST_TEST(rows[15] == "0000000000001001");
}

BOOST_AUTO_TEST_CASE(both_is_what_two_masks_share) {
  const strings expected = {
      "1000000000000",  // BOS
      "1100000000000",  // t
      "1110000000000",  // BOI
      "0111000000000",  // p
      "0111100000000",  // p
      "0111110000000",  // p
      "0000111000000",  // EOI
      "0000011100000",  // u
      "0000000010000",  // BOI
      "0000000011000",  // p
      "0000000011100",  // p
      "0000000001110",  // EOI
      "0000000000111",  // p'
  };
  const mask::both<mask::causal, mask::sliding_window<mask::bidirectional, 2>> both;
  static_assert(mask::intervals_per_row<decltype(both)> == 1);
  BOOST_TEST(seen(both, two_documents()) == expected, boost::test_tools::per_element());

  const mask::both<mask::noised_hidden, mask::causal> clean;
  static_assert(mask::intervals_per_row<decltype(clean)> == 2 && mask::clean_copies<decltype(clean)>);
  const auto rows = seen(clean, with_noised_copies());
  BOOST_TEST(rows[2] == "1110000000000000");
  BOOST_TEST(rows[8] == "1100000010000000");
  BOOST_TEST(rows[9] == "1100000011000000");
  const mask::both<mask::causal, mask::noised_hidden> other_way_round;
  BOOST_TEST(seen(other_way_round, with_noised_copies()) == rows, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(either_is_what_one_of_two_masks_shows) {
  const strings expected = {
      "1000000000000",  // BOS
      "1100000000000",  // t
      "1110000000000",  // BOI
      "1111110000000",  // p
      "1111110000000",  // p
      "1111110000000",  // p
      "1100011000000",  // EOI
      "1100001100000",  // u
      "0000000010000",  // BOI
      "0000000011100",  // p
      "0000000011100",  // p
      "0000000011110",  // EOI
      "0000000011011",  // p'
  };
  const mask::either<mask::sliding_window<mask::intra_image, 1>, document_start<2>> either;
  static_assert(mask::intervals_per_row<decltype(either)> == 2);
  BOOST_TEST(seen(either, two_documents()) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(either_joins_intervals_that_touch) {
  const mask::either<mask::causal, mask::intra_image> either;
  for (tf::index_t q = 0; q < 13; ++q) {
    const auto keys = either.keys(q, two_documents());
    BOOST_TEST((keys.first == mask::intra_image{}.keys(q, two_documents())));
    BOOST_TEST(keys.second.begin == keys.second.end);
  }
}

namespace {
/// The last row of the document alone: apart from any prefix.
struct last_row {
  tf::key_interval keys(tf::index_t q, const tf::span_table& table) const {
    return tf::key_interval::of(table.document_end(q) - 1, table.document_end(q));
  }
};
}  // namespace

BOOST_AUTO_TEST_CASE(a_base_apart_from_the_prefix_is_an_error_that_names_both) {
  tf::span_table table;
  table.begin_document();
  table.append_text(2);
  table.end_prefix();
  table.append_text();
  BOOST_TEST(seen(mask::prefix<last_row>{}, table)[0] == "111");  // they touch
  table.append_text();
  fails_saying<tf::config_error>([&] { seen(mask::prefix<last_row>{}, table); },
                                 {"mask::prefix<", "last_row", "row 0", "found 2 intervals", "up to 2", "expected 1"});
}

using checked_masks =
    std::tuple<mask::causal, mask::intra_image, mask::bidirectional, mask::prefix<>, mask::prefix<mask::causal>,
               mask::prefix<mask::bidirectional>, mask::prefix<mask::noised_hidden>, mask::prefix<mask::prefix<>>,
               mask::sliding_window<mask::intra_image, 3>, mask::sliding_window<mask::causal, 1>,
               mask::sliding_window<mask::bidirectional, 2>, mask::sliding_window<mask::noised_hidden, 2>,
               mask::sliding_window<mask::prefix<>, 4>, mask::noised_hidden,
               mask::both<mask::intra_image, mask::sliding_window<mask::bidirectional, 5>>,
               mask::both<mask::noised_hidden, mask::causal>,
               mask::both<mask::sliding_window<mask::causal, 4>, mask::noised_hidden>,
               mask::both<mask::prefix<>, document_start<5>>,
               mask::either<mask::sliding_window<mask::intra_image, 2>, document_start<3>>,
               mask::either<mask::sliding_window<mask::causal, 2>, mask::both<mask::intra_image, document_start<4>>>,
               mask::either<mask::causal, mask::prefix<>>>;

// Every mask against its formula on many random tables: the keys seen, none twice, none of another document.
BOOST_AUTO_TEST_CASE_TEMPLATE(masks_are_their_formulas_on_random_tables, Mask, checked_masks) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const tf::span_table table = random_table<Mask>(random);
    const auto rows = seen(Mask{}, table);
    const dense_mask expected = written_out<Mask>(table);
    for (std::size_t q = 0; q < rows.size(); ++q)
      for (std::size_t k = 0; k < rows.size(); ++k)
        if (rows[q][k] != (expected[q][k] ? '1' : '0'))
          BOOST_ERROR(tf::policy_name<Mask>() << ", seed " << seed << ", row " << q << ", key " << k << ": found "
                                              << rows[q][k] << ", expected " << expected[q][k]);
  }
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

namespace {
struct beyond_its_document {
  tf::key_interval keys(tf::index_t q, const tf::span_table&) const { return tf::key_interval::of(0, q + 1); }
};
struct overlapping {
  tf::two_key_intervals keys(tf::index_t q, const tf::span_table& table) const {
    return {tf::key_interval::of(table.document_begin(q), q + 1), tf::key_interval::of(q, q + 1)};
  }
};
}  // namespace

BOOST_AUTO_TEST_CASE(lowering_refuses_what_kernels_cannot_take_and_names_the_mask) {
  fails_saying<tf::config_error>([] { seen(beyond_its_document{}, two_documents()); },
                                 {"row 8", "keys 0 to 9", "8 to 13", "beyond_its_document"});
  fails_saying<tf::config_error>([] { seen(overlapping{}, two_documents()); },
                                 {"row 0", "0 to 1 and 0 to 1", "without overlap", "overlapping"});
}

BOOST_AUTO_TEST_CASE(clean_copies_are_asked_for_by_noised_hidden_and_what_holds_it) {
  static_assert(mask::clean_copies<mask::noised_hidden>);
  static_assert(mask::clean_copies<mask::prefix<mask::noised_hidden>>);
  static_assert(mask::clean_copies<mask::sliding_window<mask::noised_hidden, 9>>);
  static_assert(mask::clean_copies<mask::both<mask::causal, mask::noised_hidden>>);
  static_assert(!mask::clean_copies<mask::intra_image> && !mask::clean_copies<with_a_hole>);
  static_assert(!mask::clean_copies<mask::prefix<>>);
  static_assert(!mask::clean_copies<mask::either<mask::causal, mask::intra_image>>);
}
