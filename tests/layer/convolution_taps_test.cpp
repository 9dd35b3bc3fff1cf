// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE layer_convolution_taps
#include "transfusion/layer/convolution_taps.hpp"

#include <array>
#include <boost/test/unit_test.hpp>
#include <vector>

using namespace transfusion;

namespace {

using point = std::array<index_t, 3>;  // plane, row, column

point extents(patch_grid g) { return {g.planes, g.rows, g.cols}; }
point extents(patch_shape s) { return {s.depth, s.height, s.width}; }

/// How many pixels at whole multiples of the stride there are, counted one by one.
point counted(patch_grid grid, patch_shape stride) {
  point count{};
  for (std::size_t axis = 0; axis < 3; ++axis)
    for (index_t at = 0; at < extents(grid)[axis]; ++at) count[axis] += at % extents(stride)[axis] == 0;
  return count;
}

/// Every pixel of a list of grids: its image and place.
struct pixel {
  std::size_t image;
  point at;
  friend bool operator==(const pixel&, const pixel&) = default;
};
std::vector<pixel> pixels(const std::vector<point>& grids) {
  std::vector<pixel> all;
  for (std::size_t i = 0; i < grids.size(); ++i)
    for (index_t z = 0; z < grids[i][0]; ++z)
      for (index_t y = 0; y < grids[i][1]; ++y)
        for (index_t x = 0; x < grids[i][2]; ++x) all.push_back({i, {z, y, x}});
  return all;
}
/// The row whose pixel this is, or -1.
token_t find(const std::vector<pixel>& all, const pixel& wanted) {
  for (std::size_t row = 0; row < all.size(); ++row)
    if (all[row] == wanted) return static_cast<token_t>(row);
  return -1;
}

std::vector<point> counted(const std::vector<patch_grid>& grids, patch_shape stride) {
  std::vector<point> all;
  for (const patch_grid& g : grids) all.push_back(counted(g, stride));
  return all;
}

/// The definition: tap (kz, ky, kx) of output pixel o lies at stride * o + k - (kernel - 1) / 2 of the same image.
void check_taps(const std::vector<patch_grid>& grids, patch_shape kernel, patch_shape stride) {
  convolution_taps built;
  built.build(grids, kernel, stride);
  const std::vector<point> coarse = counted(grids, stride);
  BOOST_REQUIRE_EQUAL(built.grids.size(), grids.size());
  for (std::size_t i = 0; i < grids.size(); ++i) BOOST_REQUIRE(extents(built.grids[i]) == coarse[i]);
  const std::vector<pixel> inputs = pixels(counted(grids, {})), outputs = pixels(coarse),
                           offsets = pixels({extents(kernel)});
  BOOST_REQUIRE_EQUAL(built.taps_each, std::ssize(offsets));
  BOOST_REQUIRE_EQUAL(built.taps.size(), outputs.size() * offsets.size());
  BOOST_REQUIRE_EQUAL(built.reverse.size(), inputs.size() * offsets.size());
  std::vector<token_t> reverse(built.reverse.size(), -1);
  bool same = true;
  for (std::size_t o = 0; o < outputs.size(); ++o)
    for (std::size_t k = 0; k < offsets.size(); ++k) {
      pixel under = outputs[o];
      for (std::size_t axis = 0; axis < 3; ++axis)
        under.at[axis] = extents(stride)[axis] * under.at[axis] + offsets[k].at[axis] - (extents(kernel)[axis] - 1) / 2;
      const token_t row = find(inputs, under);
      same = same && built.taps[o * offsets.size() + k] == row;
      if (row >= 0) reverse[static_cast<std::size_t>(row) * offsets.size() + k] = static_cast<token_t>(o);
    }
  BOOST_TEST(same);
  BOOST_TEST((built.reverse == reverse));
}

void check_nearest(const std::vector<patch_grid>& fine, patch_shape factor) {
  std::vector<token_t> rows;
  nearest_rows(fine, factor, rows);
  const std::vector<pixel> inputs = pixels(counted(fine, factor)), outputs = pixels(counted(fine, {}));
  BOOST_REQUIRE_EQUAL(rows.size(), outputs.size());
  bool same = true;
  for (std::size_t o = 0; o < outputs.size(); ++o) {
    pixel under = outputs[o];
    for (std::size_t axis = 0; axis < 3; ++axis) under.at[axis] /= extents(factor)[axis];
    same = same && rows[o] == find(inputs, under);
  }
  BOOST_TEST(same);
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_small_grid_kernel_and_stride) {
  for (const index_t planes : {1, 2, 3})
    for (const index_t rows : {1, 2, 5})
      for (const index_t cols : {1, 2, 3, 4, 6})
        for (const index_t kernel : {1, 2, 3, 4, 5})
          for (const index_t stride : {1, 2, 3}) {
            const std::vector<patch_grid> grids{{rows, cols, planes}, {cols, rows, 1}};
            check_taps(grids, {kernel, kernel, planes == 1 ? 1 : kernel}, {stride, stride, planes == 1 ? 1 : stride});
            check_nearest(grids, {stride, stride, planes == 1 ? 1 : stride});
          }
}
BOOST_AUTO_TEST_CASE(axes_are_not_mixed_up) {
  const std::vector<patch_grid> grids{{4, 7, 3}, {5, 2, 2}, {1, 1, 1}};
  check_taps(grids, {1, 3, 5}, {3, 1, 2});
  check_taps(grids, {5, 1, 3}, {1, 2, 1});
  check_taps(grids, {3, 5, 1}, {2, 3, 1});
  check_nearest(grids, {2, 3, 1});
  check_nearest(grids, {1, 2, 2});
}
BOOST_AUTO_TEST_CASE(signals_and_no_images) {
  check_taps({{1, 9}, {1, 4}}, {1, 3}, {1, 2});
  check_taps({}, {3, 3}, {1, 1});
  check_nearest({{1, 9}, {1, 4}}, {1, 2});
}

// The tables of one image by hand: 2 x 3 pixels, kernel 3, stride 2.
BOOST_AUTO_TEST_CASE(one_table_by_hand) {
  convolution_taps built;
  built.build(std::vector<patch_grid>{{2, 3}}, {3, 3}, {2, 2});
  const std::vector<token_t> taps{-1, -1, -1, -1, 0, 1, -1, 3, 4, -1, -1, -1, 1, 2, -1, 4, 5, -1};
  BOOST_TEST(built.taps == taps, boost::test_tools::per_element());
  std::vector<token_t> rows;
  nearest_rows(std::vector<patch_grid>{{2, 3}}, {2, 2}, rows);
  const std::vector<token_t> nearest{0, 0, 1, 0, 0, 1};
  BOOST_TEST(rows == nearest, boost::test_tools::per_element());
}
BOOST_AUTO_TEST_CASE(tables_are_built_anew) {
  convolution_taps built, fresh;
  built.build(std::vector<patch_grid>{{5, 5, 2}}, {3, 3, 3});
  built.build(std::vector<patch_grid>{{2, 2}, {3, 1}}, {3, 3}, {2, 1});
  fresh.build(std::vector<patch_grid>{{2, 2}, {3, 1}}, {3, 3}, {2, 1});
  BOOST_TEST((built.taps == fresh.taps && built.reverse == fresh.reverse && built.grids.size() == 2u));
}
BOOST_AUTO_TEST_CASE(ranges_of_images) {
  std::vector<key_interval> ranges{{7, 9}};
  image_rows(std::vector<patch_grid>{{2, 3}, {1, 1}, {2, 2, 2}}, ranges);
  BOOST_TEST((ranges == std::vector<key_interval>{{0, 6}, {6, 7}, {7, 15}}));
}
BOOST_AUTO_TEST_CASE(bad_input_is_named) {
  const auto fails = [](std::vector<patch_grid> grids, patch_shape kernel, patch_shape stride, const char* word) {
    convolution_taps built;
    BOOST_CHECK_EXCEPTION(built.build(grids, kernel, stride), config_error,
                          [&](const config_error& e) { return std::string(e.what()).find(word) != std::string::npos; });
  };
  fails({{2, 2}}, {3, 0}, {1, 1}, "1 x 3 x 0, expected at least 1");
  fails({{2, 2}}, {3, -1}, {1, 1}, "expected at least 1");
  fails({{2, 2}}, {3, 3}, {0, 1}, "stride 1 x 0 x 1, expected at least 1");
  fails({{2, 2}, {0, 2}}, {3, 3}, {1, 1}, "1 x 0 x 2, expected at least one pixel");
  fails({{1 << 16, 1 << 16}}, {1, 1}, {1, 1}, "4294967296 pixels, expected at most 2147483647");
  std::vector<token_t> rows;
  BOOST_CHECK_THROW(nearest_rows(std::vector<patch_grid>{{2, 2}}, {0, 1}, rows), config_error);
  BOOST_CHECK_THROW(nearest_rows(std::vector<patch_grid>{{2, 0}}, {1, 1}, rows), config_error);
  std::vector<key_interval> ranges;
  BOOST_CHECK_THROW(image_rows(std::vector<patch_grid>{{2, 0}}, ranges), config_error);
}
