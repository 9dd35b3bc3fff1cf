// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_tiles
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <random>
#include <set>
#include <tuple>
#include <type_traits>
#include <vector>

#include "transfusion/cuda/tiles.cuh"

using namespace transfusion;
using namespace transfusion::cuda;

namespace {

constexpr index_t keys = 5 * tile_keys + 17;

bool sees(const row_keys& row, index_t key) { return row.interval[0].contains(key) || row.interval[1].contains(key); }

/// Rows of random intervals in rising order, of one of several manners, some of them empty.
std::vector<row_keys> random_rows(std::mt19937& random, int count) {
  const auto below = [&](index_t n) { return static_cast<index_t>(random() % static_cast<std::uint64_t>(n)); };
  const index_t manner = below(5), ground = below(keys);
  std::vector<row_keys> rows;
  for (int r = 0; r < count; ++r) {
    index_t at[4];
    for (index_t& a : at) a = below(keys + 1);
    if (manner == 1) at[0] = 0, at[1] = ground / 2, at[2] = ground, at[3] = std::min<index_t>(keys, ground + r);
    if (manner == 2) at[0] = ground / 3, at[1] = std::min<index_t>(keys, ground + r), at[2] = at[3] = keys;
    if (manner == 3) at[0] = 0, at[1] = keys, at[2] = at[3] = 0;
    if (manner != 3) std::sort(at, at + 4);
    row_keys row = {{key_interval::of(at[0], at[1]), key_interval::of(at[2], at[3])}};
    if (manner == 4 || below(40) == 0) row.interval[below(2)] = key_interval::of(at[1], at[0]);
    rows.push_back(row);
  }
  return rows;
}

row_group group_of(const std::vector<row_keys>& rows) {
  row_group group = row_group::of_nobody();
  for (const row_keys& row : rows) group.add(row);
  return group;
}

}  // namespace

// Every interval of a few tiles against every tile, bit by bit.
BOOST_AUTO_TEST_CASE(seen_bits_are_the_intervals) {
  for (token_t begin = 0; begin <= 200; ++begin)
    for (token_t end = 0; end <= 200; end += begin % 7 == 0 ? 1 : 3)
      for (token_t first = 0; first < 256; first += tile_keys) {
        const row_keys row = {{{begin, end}, {0, 0}}};
        std::uint64_t expected = 0;
        for (token_t j = 0; j < tile_keys; ++j)
          if (begin <= first + j && first + j < end) expected |= std::uint64_t{1} << j;
        BOOST_REQUIRE_EQUAL(row.seen(first), expected);
        BOOST_REQUIRE_EQUAL((row_keys{{{0, 0}, {begin, end}}}.seen(first)), expected);
      }
}

BOOST_AUTO_TEST_CASE(intervals_are_cut_to_the_keys_there_are) {
  const key_interval row[2] = {{-3, 4}, {90, 200}};
  BOOST_TEST((row_keys::of(row, 2, 100).interval[0] == key_interval{0, 4}));
  BOOST_TEST((row_keys::of(row, 2, 100).interval[1] == key_interval{90, 100}));
  BOOST_TEST((row_keys::of(row, 1, 100).interval[1] == key_interval{0, 0}));
  BOOST_TEST(row_keys::of(row, 2, 0).seen(0) == 0u);
  static_assert(row_keys::none().seen(0) == 0 && row_keys::none().seen(640) == 0);
}

// skip and full are never claimed wrongly, and always where all rows have one pair of intervals.
BOOST_AUTO_TEST_CASE(kinds_of_tiles_are_sound) {
  std::mt19937 random(3);
  int found[3] = {};
  for (int round = 0; round < 3000; ++round) {
    const auto rows = random_rows(random, 1 + static_cast<int>(random() % 64));
    const row_group group = group_of(rows);
    for (index_t t = 0; t * tile_keys < keys; ++t) {
      bool any = false, all = true;
      for (const row_keys& row : rows)
        for (index_t key = t * tile_keys; key < (t + 1) * tile_keys; ++key) {
          any = any || sees(row, key);
          all = all && sees(row, key);
        }
      const tile_kind kind = group.kind_of_tile(t);
      ++found[static_cast<int>(kind)];
      BOOST_REQUIRE(kind != tile_kind::skip || !any);
      BOOST_REQUIRE(kind != tile_kind::full || all);
      const bool abut = rows[0].interval[0].end >= rows[0].interval[1].begin;
      if (rows.size() > 1 || abut) continue;
      BOOST_REQUIRE((kind == tile_kind::skip) == !any);
      BOOST_REQUIRE((kind == tile_kind::full) == all);
    }
  }
  for (int count : found) BOOST_TEST(count > 500);
}

// A causal square: one partial tile at the diagonal, full ones before it, none after.
BOOST_AUTO_TEST_CASE(a_causal_row_block_has_one_partial_tile) {
  std::vector<row_keys> rows;
  for (index_t n = 128; n < 192; ++n) rows.push_back({{key_interval::of(0, n + 1), {0, 0}}});
  const row_group group = group_of(rows);
  BOOST_TEST((group.kind_of_tile(0) == tile_kind::full));
  BOOST_TEST((group.kind_of_tile(1) == tile_kind::full));
  BOOST_TEST((group.kind_of_tile(2) == tile_kind::partial));
  BOOST_TEST((group.kind_of_tile(3) == tile_kind::skip));
  BOOST_TEST(tile_list::of(group).size() == 3);
}

// Every tile that a row sees is listed once, in rising order, and no tile outside both hulls.
BOOST_AUTO_TEST_CASE(lists_hold_what_is_seen) {
  std::mt19937 random(4);
  for (int round = 0; round < 3000; ++round) {
    const auto rows = random_rows(random, 1 + static_cast<int>(random() % 64));
    const row_group group = group_of(rows);
    const tile_list list = tile_list::of(group);
    std::set<index_t> listed;
    for (int i = 0; i < list.size(); ++i) {
      BOOST_REQUIRE(listed.empty() || list.tile(i) > *listed.rbegin());
      listed.insert(list.tile(i));
      BOOST_REQUIRE((group.kind_of_tile(list.tile(i)) != tile_kind::skip));
    }
    for (const row_keys& row : rows)
      for (index_t key = 0; key < keys; ++key)
        if (sees(row, key)) BOOST_REQUIRE(listed.contains(key / tile_keys));
  }
}

BOOST_AUTO_TEST_CASE(a_gap_is_not_listed) {
  row_group group = row_group::of_nobody();
  group.add({{{0, 70}, {1000, 1001}}});
  group.add({{{0, 0}, {1100, 1153}}});
  const tile_list list = tile_list::of(group);
  const std::vector<int> expected = {0, 1, 15, 16, 17, 18};
  std::vector<int> found;
  for (int i = 0; i < list.size(); ++i) found.push_back(list.tile(i));
  BOOST_TEST(found == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(groups_join_as_their_rows_do) {
  std::mt19937 random(5);
  for (int round = 0; round < 500; ++round) {
    const auto rows = random_rows(random, 40);
    const auto middle = rows.begin() + static_cast<index_t>(random() % 41);
    row_group joined = group_of({rows.begin(), middle});
    joined.join(group_of({middle, rows.end()}));
    const row_group whole = group_of(rows);
    for (index_t t = 0; t * tile_keys < keys; ++t) BOOST_REQUIRE((joined.kind_of_tile(t) == whole.kind_of_tile(t)));
    BOOST_REQUIRE_EQUAL(tile_list::of(joined).size(), tile_list::of(whole).size());
  }
  BOOST_TEST(tile_list::of(row_group::of_nobody()).size() == 0);
  BOOST_TEST((row_group::of_nobody().kind(0, 64) == tile_kind::skip));
}

// A chunk is 16 bytes, a row of all 32 banks eight of them. One phase of ldmatrix reads a chunk of eight neighbouring
// rows, one phase of a copy writes eight neighbouring chunks: each must fall on eight different places.
using widths =
    std::tuple<std::integral_constant<int, 32>, std::integral_constant<int, 64>, std::integral_constant<int, 128>>;
BOOST_AUTO_TEST_CASE_TEMPLATE(a_swizzled_tile_has_no_bank_conflicts, Width, widths) {
  constexpr int width = Width::value, chunks = width / 8;
  const auto place = [](int row, int chunk) { return swizzled_offset<width>(row, chunk) / 8 % 8; };
  for (int row = 0; row < tile_keys; row += 8)
    for (int chunk = 0; chunk < chunks; ++chunk) {
      std::set<int> places;
      for (int r = row; r < row + 8; ++r) places.insert(place(r, chunk));
      BOOST_REQUIRE_EQUAL(places.size(), 8u);
    }
  std::set<int> offsets;
  for (int i = 0; i < tile_keys * chunks; i += 8) {
    std::set<int> places;
    for (int j = i; j < i + 8; ++j) {
      places.insert(place(j / chunks, j % chunks));
      offsets.insert(swizzled_offset<width>(j / chunks, j % chunks));
    }
    BOOST_REQUIRE_EQUAL(places.size(), 8u);
  }
  BOOST_TEST(offsets.size() == static_cast<std::size_t>(tile_keys * chunks));
  BOOST_TEST(*offsets.rbegin() == tile_keys * width - 8);
  // What the kernels' address arithmetic rests on.
  for (int row = 0; row < 16; ++row)
    for (int chunk = 0; chunk < 2; ++chunk) {
      for (int further = 0; further < chunks; further += 2)
        BOOST_REQUIRE_EQUAL(swizzled_offset<width>(row, chunk + further),
                            swizzled_further(swizzled_offset<width>(row, chunk), further));
      BOOST_REQUIRE_EQUAL(swizzled_offset<width>(row + 8, chunk), swizzled_offset<width>(row, chunk) + 8 * width);
    }
}
