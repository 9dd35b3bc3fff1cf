// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE sequence_position
#include "transfusion/sequence/position.hpp"

#include <boost/test/unit_test.hpp>
#include <initializer_list>
#include <vector>

#include "transfusion/sequence/span_table.hpp"

using namespace transfusion;

namespace {

/// Two documents. The first: 2 words, an image of 2 x 3 patches behind a row of its own, a word, an image of 1 x 2, a
/// word, and then noised copies of both images. The second: a word, a volume of 2 planes of 2 x 1, a word.
span_table two_documents() {
  span_table table;
  table.begin_document();
  table.append_text(2);                                                                // 0, 1
  table.append_span({.image = 0, .rows = 2, .cols = 3, .lead_rows = 1});               // 2 - 8
  table.append_text(1);                                                                // 9
  table.append_span({.image = 1, .rows = 1, .cols = 2});                               // 10, 11
  table.append_text(1);                                                                // 12
  table.append_span({.image = 2, .rows = 2, .cols = 3, .lead_rows = 1, .source = 0});  // 13 - 19
  table.append_span({.image = 3, .rows = 1, .cols = 2, .source = 1});                  // 20, 21
  table.begin_document();
  table.append_text(1);                                                // 22
  table.append_span({.image = 4, .rows = 2, .cols = 1, .planes = 2});  // 23 - 26
  table.append_text(1);                                                // 27
  return table;
}

template <class Policy>
std::vector<token_t> positions(index_t begin = 0, index_t end = 28) {
  std::vector<token_t> out;
  position::lower(Policy(), two_documents(), begin, end, out);
  return out;
}

/// The numbers of the words and images of the first document, and once more for the copies.
template <class Policy>
void check(std::vector<token_t> words, std::vector<token_t> first_image, std::vector<token_t> word,
           std::vector<token_t> second_image, std::vector<token_t> last_word, std::vector<token_t> second_document) {
  std::vector<token_t> expected;
  for (const auto* part :
       {&words, &first_image, &word, &second_image, &last_word, &first_image, &second_image, &second_document})
    expected.insert(expected.end(), part->begin(), part->end());
  BOOST_TEST(positions<Policy>() == expected, boost::test_tools::per_element());
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_policies_say_how_many_numbers_a_position_is) {
  static_assert(position::axes<position::sequential> == 1);
  static_assert(position::axes<position::per_image> == 1);
  static_assert(position::axes<position::axial_2d> == 2);
  static_assert(position::axes<position::axial_3d> == 3);
  static_assert(!position_policy<int>);
  BOOST_TEST(positions<position::axial_3d>().size() == 3u * 28u);
}

BOOST_AUTO_TEST_CASE(sequential_counts_rows_and_copies_count_as_the_clean_ones) {
  check<position::sequential>({0, 1}, {2, 3, 4, 5, 6, 7, 8}, {9}, {10, 11}, {12}, {0, 1, 2, 3, 4, 5});
}

BOOST_AUTO_TEST_CASE(per_image_gives_all_rows_of_an_image_one_number) {
  check<position::per_image>({0, 1}, {2, 2, 2, 2, 2, 2, 2}, {3}, {4, 4}, {5}, {0, 1, 1, 1, 1, 2});
}

// The row before the patches counts like a word; the text goes on behind the longer side, 3, and then 2 and 4: the
// planes of the volume lie below one another.
BOOST_AUTO_TEST_CASE(axial_2d_gives_row_and_column) {
  check<position::axial_2d>({0, 0, 1, 1}, {2, 2, 3, 3, 3, 4, 3, 5, 4, 3, 4, 4, 4, 5}, {6, 6}, {7, 7, 7, 8}, {9, 9},
                            {0, 0, 1, 1, 2, 1, 3, 1, 4, 1, 5, 5});
}

// The text goes on behind the longest of planes, rows and columns.
BOOST_AUTO_TEST_CASE(axial_3d_gives_plane_row_and_column) {
  check<position::axial_3d>({0, 0, 0, 1, 1, 1}, {2, 2, 2, 3, 3, 3, 3, 3, 4, 3, 3, 5, 3, 4, 3, 3, 4, 4, 3, 4, 5},
                            {6, 6, 6}, {7, 7, 7, 7, 7, 8}, {9, 9, 9},
                            {0, 0, 0, 1, 1, 1, 1, 2, 1, 2, 1, 1, 2, 2, 1, 3, 3, 3});
}

// Decoding lowers the rows that are new.
BOOST_AUTO_TEST_CASE(some_rows_have_the_numbers_that_they_have_among_all) {
  const auto all = positions<position::axial_3d>();
  for (index_t begin = 0; begin <= 28; ++begin)
    for (index_t end = begin; end <= 28; ++end) {
      const std::vector<token_t> part(all.begin() + 3 * begin, all.begin() + 3 * end);
      BOOST_TEST((positions<position::axial_3d>(begin, end) == part));
    }
}

// Without images all policies count words.
BOOST_AUTO_TEST_CASE(text_alone_is_counted_by_all_alike) {
  span_table table;
  for (const index_t words : {3, 1, 4}) {
    table.begin_document();
    table.append_text(words);
  }
  for (index_t q = 0; q < table.rows(); ++q) {
    const index_t expected = q - table.document_begin(q);
    BOOST_TEST(position::sequential().at(q, table) == expected);
    BOOST_TEST(position::per_image().at(q, table) == expected);
    for (const index_t number : position::axial_2d().at(q, table)) BOOST_TEST(number == expected);
    for (const index_t number : position::axial_3d().at(q, table)) BOOST_TEST(number == expected);
  }
}
