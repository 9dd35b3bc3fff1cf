// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE layer_pixel_pyramid
#include "transfusion/layer/pixel_pyramid.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "transfusion/exec/reference.hpp"
#include "transfusion/testing/compare.hpp"

using namespace transfusion;
using transfusion::testing::on_host;

namespace {

using exec_type = reference_exec<double>;
using tokens = std::vector<token_t>;

std::vector<image_place> two_images() { return {{0, 0, {3, 2, 4}}, {24, 0, {3, 4, 2}}}; }

}  // namespace

BOOST_AUTO_TEST_CASE(levels_of_two_images) {
  exec_type exec;
  tape<exec_type> t(exec);
  pixel_pyramid pyramid({3, 3}, {2, 2}, 2);
  const auto places = two_images();
  const auto levels = pyramid.build(t, places);
  BOOST_REQUIRE(levels.size() == 2u);
  BOOST_TEST(levels[0].rows() == 16);
  BOOST_TEST(levels[1].rows() == 4);
  BOOST_TEST((on_host(exec, levels[0].images) == std::vector<key_interval>{{0, 8}, {8, 16}}));
  BOOST_TEST((on_host(exec, levels[1].images) == std::vector<key_interval>{{0, 2}, {2, 4}}));
  BOOST_TEST((on_host(exec, levels[1].image_of_row) == tokens{0, 0, 1, 1}));
  BOOST_TEST((on_host(exec, levels[1].own_image) == std::vector<key_interval>{{0, 2}, {0, 2}, {2, 4}, {2, 4}}));
  // 2 × 4 pixels over 1 × 2, then 4 × 2 over 2 × 1.
  BOOST_TEST((on_host(exec, levels[0].coarse_row) == tokens{0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3}));
  BOOST_TEST(!levels[1].coarse_row);
  BOOST_TEST(!levels[1].halved.taps);
}

BOOST_AUTO_TEST_CASE(taps_are_those_of_the_grids) {
  exec_type exec;
  tape<exec_type> t(exec);
  pixel_pyramid pyramid({3, 3}, {2, 2}, 2);
  const auto places = two_images();
  const auto levels = pyramid.build(t, places);
  convolution_taps expected;
  const auto same = [&](const convolution_tables& found) {
    BOOST_TEST(found.taps.cols() == 9);
    BOOST_TEST((on_host(exec, found.taps) == expected.taps));
    BOOST_TEST((on_host(exec, found.reverse) == expected.reverse));
  };
  expected.build(std::vector<patch_grid>{{2, 4}, {4, 2}}, {3, 3});
  same(levels[0].window);
  expected.build(std::vector<patch_grid>{{2, 4}, {4, 2}}, {3, 3}, {2, 2});
  same(levels[0].halved);
  expected.build(std::vector<patch_grid>{{1, 2}, {2, 1}}, {3, 3});
  same(levels[1].window);
}

BOOST_AUTO_TEST_CASE(without_recording_there_is_no_way_back) {
  exec_type exec;
  tape<exec_type> t(exec, recording::off);
  pixel_pyramid pyramid({3, 3}, {2, 2}, 2);
  const auto places = two_images();
  const auto levels = pyramid.build(t, places);
  BOOST_TEST(static_cast<bool>(levels[0].window.taps));
  BOOST_TEST(!levels[0].window.reverse);
  BOOST_TEST(!levels[0].halved.reverse);
}

BOOST_AUTO_TEST_CASE(a_pyramid_is_built_anew_each_time) {
  exec_type exec;
  tape<exec_type> t(exec);
  pixel_pyramid pyramid({1, 3}, {1, 2}, 3), fresh({1, 3}, {1, 2}, 3);
  const std::vector<image_place> signal{{0, 0, {1, 1, 8}}}, others{{0, 0, {1, 2, 4, 2}}, {16, 0, {1, 1, 4}}};
  pyramid.build(t, signal);
  const auto again = pyramid.build(t, others), once = fresh.build(t, others);
  for (std::size_t l = 0; l < 3; ++l) {
    BOOST_TEST((on_host(exec, again[l].window.taps) == on_host(exec, once[l].window.taps)));
    BOOST_TEST((on_host(exec, again[l].images) == on_host(exec, once[l].images)));
  }
  BOOST_TEST(again[2].rows() == 2 * 2 * 1 + 1);
}
