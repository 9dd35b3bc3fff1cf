// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE sequence_span_table
#include <boost/test/unit_test.hpp>
#include <random>

#include "transfusion/sequence/position.hpp"
#include "transfusion/sequence/span_table.hpp"

namespace tf = transfusion;

namespace {

/// What a table should say of a row, written down while the table is filled.
struct row {
  tf::index_t document;
  tf::index_t span;  ///< -1: text
};

struct filled {
  tf::span_table table;
  std::vector<row> rows;
  std::vector<tf::span> spans;
};

filled random_table(unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<tf::index_t>(random() % static_cast<unsigned>(n)); };
  filled f;
  const tf::index_t documents = 1 + below(5);
  for (tf::index_t d = 0; d < documents; ++d) {
    f.table.begin_document();
    const tf::index_t parts = 1 + below(6);
    for (tf::index_t part = 0; part < parts; ++part) {
      if (below(3) > 0) {
        const tf::index_t count = part == 0 ? 1 + below(4) : below(5);
        f.table.append_text(count);
        for (tf::index_t i = 0; i < count; ++i) f.rows.push_back({d, -1});
      } else {
        const tf::index_t grid_rows = 1 + below(3), grid_cols = 1 + below(4);
        const auto number = static_cast<tf::index_t>(f.spans.size());
        const auto begin = static_cast<tf::index_t>(f.rows.size());
        f.spans.push_back({begin, begin + grid_rows * grid_cols, d, number, grid_rows, grid_cols, part == 0});
        f.table.append_span(grid_rows, grid_cols, number, part == 0);
        for (tf::index_t i = 0; i < grid_rows * grid_cols; ++i) f.rows.push_back({d, number});
      }
    }
  }
  return f;
}

}  // namespace

BOOST_AUTO_TEST_CASE(answers_are_those_of_a_search_through_all_rows) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    const filled f = random_table(seed);
    const auto count = static_cast<tf::index_t>(f.rows.size());
    BOOST_REQUIRE(f.table.rows() == count);
    BOOST_REQUIRE(f.table.spans().size() == f.spans.size());
    const auto at = [&](tf::index_t q) { return f.rows[static_cast<std::size_t>(q)]; };
    BOOST_TEST_CONTEXT("seed " << seed)
    for (tf::index_t q = 0; q < count; ++q) {
      tf::index_t document_begin = q, document_end = q, span_begin = q, span_end = q + 1;
      while (document_begin > 0 && at(document_begin - 1).document == at(q).document) --document_begin;
      while (document_end < count && at(document_end).document == at(q).document) ++document_end;
      while (at(q).span >= 0 && span_begin > 0 && at(span_begin - 1).span == at(q).span) --span_begin;
      while (at(q).span >= 0 && span_end < count && at(span_end).span == at(q).span) ++span_end;

      BOOST_TEST(f.table.document(q) == at(q).document);
      BOOST_TEST(f.table.document_begin(q) == document_begin);
      BOOST_TEST(f.table.document_end(q) == document_end);
      BOOST_TEST(f.table.span_begin(q) == span_begin);
      BOOST_TEST(f.table.span_end(q) == span_end);
      BOOST_TEST((f.table.span_of(q) != nullptr) == (at(q).span >= 0));
      if (f.table.span_of(q)) BOOST_TEST(f.table.span_of(q)->image == at(q).span);
      BOOST_TEST(tf::position::sequential{}.at(q, f.table) == q - document_begin);
    }
    for (std::size_t i = 0; i < f.spans.size(); ++i) {
      const tf::span &found = f.table.spans()[i], &expected = f.spans[i];
      BOOST_TEST((found.begin == expected.begin && found.end == expected.end && found.document == expected.document));
      BOOST_TEST((found.image == expected.image && found.rows == expected.rows && found.cols == expected.cols));
      BOOST_TEST(found.leads == expected.leads);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_document_that_grows_moves_its_end_and_nothing_else) {
  tf::span_table table;
  table.begin_document();
  table.append_text(2);
  BOOST_TEST(table.document_end(0) == 2);
  table.append_span(2, 2, 0, false);
  BOOST_TEST(table.document_end(0) == 6);
  BOOST_TEST(table.span_end(1) == 2);
  table.append_text();
  BOOST_TEST(table.rows() == 7);
  BOOST_TEST(table.span_end(5) == 6);
  table.begin_document();
  table.append_text();
  BOOST_TEST(table.document_end(0) == 7);
  BOOST_TEST(table.document_begin(7) == 7);
  BOOST_TEST(table.documents() == 2);
}
