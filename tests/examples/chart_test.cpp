// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_chart
#include "support/chart.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <tuple>

#include "files.hpp"
#include "transfusion/core/error.hpp"

using namespace support;
using files::check_throws;
using transfusion::config_error;
using transfusion::shape_error;
namespace tt = boost::test_tools;

namespace {

constexpr color first_line{31, 98, 176};
const double nan_value = std::numeric_limits<double>::quiet_NaN();

/// The rows in which a column of the chart shows the first line's colour.
std::vector<index_t> rows_of(const picture& p, index_t x) {
  std::vector<index_t> rows;
  for (index_t y = 0; y < p.height(); ++y)
    if (p.pixel(x, y) == first_line) rows.push_back(y);
  return rows;
}

series straight() {
  series line;
  for (int i = 0; i <= 100; ++i) {
    line.x.push_back(i);
    line.y.push_back(1.0 + i);
  }
  return line;
}

}  // namespace

BOOST_AUTO_TEST_CASE(ticks_are_round_and_inside) {
  using list = std::vector<double>;
  BOOST_TEST(round_ticks(0, 10, 5) == (list{0, 2, 4, 6, 8, 10}), tt::per_element());
  BOOST_TEST(round_ticks(-1, 1, 4) == (list{-1, -0.5, 0, 0.5, 1}), tt::per_element());
  BOOST_TEST(round_ticks(3, 2400, 8) == (list{500, 1000, 1500, 2000}), tt::per_element());
  BOOST_TEST(log_ticks(0.1, 5) == (list{0.1, 0.2, 0.5, 1, 2, 5}), tt::tolerance(1e-12) << tt::per_element());
  BOOST_TEST(log_ticks(1e-4, 1e2) == (list{1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100}), tt::tolerance(1e-12)
                                                                                    << tt::per_element());
  for (const auto& [low, high] : {std::pair{0.013, 0.0142}, {1e-30, 1e30}, {0.9, 1.9}, {3.0, 4.9}}) {
    const auto ticks = log_ticks(low, high);
    BOOST_TEST(ticks.size() >= 2u);
    BOOST_TEST(ticks.size() <= 12u);
    for (const double v : ticks) BOOST_TEST((v >= low * (1 - 1e-12) && v <= high * (1 + 1e-12)));
  }
  check_throws<config_error>([] { round_ticks(1, 1, 5); }, {"low < high"});
  check_throws<config_error>([] { log_ticks(0, 1); }, {"0 < low"});
}

BOOST_AUTO_TEST_CASE(the_moving_average_is_in_the_middle_and_skips_what_is_not_finite) {
  using list = std::vector<double>;
  BOOST_TEST(moving_average(list{1, 2, 6, 4, 5}, 3) == (list{1, 3, 4, 5, 4.5}), tt::tolerance(1e-12)
                                                                                    << tt::per_element());
  BOOST_TEST(moving_average(list{1, 2, 6}, 1) == (list{1, 2, 6}), tt::per_element());
  const auto gap = moving_average(list{1, nan_value, 3, 5}, 3);
  BOOST_TEST(gap[0] == 1.0);
  BOOST_TEST(std::isnan(gap[1]));
  BOOST_TEST(gap[2] == 4.0);
  // A straight line stays what it is, so falling losses are not shown late.
  const series line = straight();
  const auto smooth = moving_average(line.y, 11);
  for (std::size_t i = 0; i + 5 < smooth.size(); ++i) BOOST_TEST(smooth[i] == line.y[i], tt::tolerance(1e-12));
  check_throws<config_error>([] { moving_average(list{1}, 0); }, {"window", "found 0"});
}

BOOST_AUTO_TEST_CASE(a_straight_line_is_drawn_straight_and_bent_on_a_log_axis) {
  const std::vector<series> lines = {straight()};
  const auto middle_of = [&](const picture& p, index_t x) {
    const auto rows = rows_of(p, x);
    BOOST_REQUIRE(!rows.empty());
    return static_cast<double>(rows.front() + rows.back()) / 2;
  };
  const picture linear = draw_chart(lines), logarithmic = draw_chart(lines, {.log_y = true});
  BOOST_TEST(linear.width() == 960);
  const double a = middle_of(linear, 300), b = middle_of(linear, 500), c = middle_of(linear, 700);
  BOOST_TEST(a > b);
  BOOST_TEST(std::abs(a - 2 * b + c) <= 2.0);
  const double d = middle_of(logarithmic, 300), e = middle_of(logarithmic, 500), f = middle_of(logarithmic, 700);
  BOOST_TEST((d - e) > 1.3 * (e - f));
}

BOOST_AUTO_TEST_CASE(a_log_x_axis_bends_a_line_the_other_way_and_two_log_axes_leave_powers_straight) {
  series line;
  for (int i = 1; i <= 1000; ++i) {
    line.x.push_back(i);
    line.y.push_back(i);
  }
  const std::vector<series> lines = {line};
  const auto middle_of = [&](const picture& p, index_t x) {
    const auto rows = rows_of(p, x);
    BOOST_REQUIRE(!rows.empty());
    return static_cast<double>(rows.front() + rows.back()) / 2;
  };
  const picture bent = draw_chart(lines, {.log_x = true}), straight = draw_chart(lines, {.log_x = true, .log_y = true});
  BOOST_TEST(middle_of(bent, 300) - middle_of(bent, 500) < 0.5 * (middle_of(bent, 500) - middle_of(bent, 700)));
  const double a = middle_of(straight, 300), b = middle_of(straight, 500), c = middle_of(straight, 700);
  BOOST_TEST(a > b);
  BOOST_TEST(std::abs(a - 2 * b + c) <= 2.0);
  check_throws<config_error>([] { draw_chart(std::vector{series{"a", {0}, {1}}}, {.log_x = true}); }, {"no point"});
}

BOOST_AUTO_TEST_CASE(points_are_thicker_than_their_line) {
  const std::vector<series> lines = {{"", {0, 1, 2}, {1, 1, 1}}};
  const picture plain = draw_chart(lines), marked = draw_chart(lines, {.points = true});
  std::size_t most = 0;
  for (index_t x = 0; x < plain.width(); ++x) {
    BOOST_TEST(rows_of(marked, x).size() >= rows_of(plain, x).size());
    most = std::max(most, rows_of(marked, x).size());
  }
  BOOST_TEST(most > rows_of(plain, 300).size() + 2);
}

BOOST_AUTO_TEST_CASE(points_that_cannot_be_drawn_break_the_line) {
  series line = straight();
  for (std::size_t i = 40; i < 60; ++i) line.y[i] = i % 2 == 0 ? nan_value : std::numeric_limits<double>::infinity();
  const picture p = draw_chart(std::vector{line});
  BOOST_TEST(!rows_of(p, 300).empty());
  BOOST_TEST(rows_of(p, 490).empty());
  BOOST_TEST(!rows_of(p, 700).empty());
  line = straight();
  for (std::size_t i = 40; i < 60; ++i) line.y[i] = -1.0;
  BOOST_TEST(rows_of(draw_chart(std::vector{line}, {.log_y = true}), 490).empty());
}

BOOST_AUTO_TEST_CASE(smoothing_draws_the_mean_over_a_light_raw_line) {
  series noisy;
  for (int i = 0; i < 400; ++i) {
    noisy.x.push_back(i);
    noisy.y.push_back(i % 2 == 0 ? 1.0 : 3.0);
  }
  const picture p = draw_chart(std::vector{noisy}, {.smooth = 41});
  const auto rows = rows_of(p, 480);
  BOOST_REQUIRE(!rows.empty());
  BOOST_TEST(rows.back() - rows.front() <= 6);  // the mean is a thin line
  index_t light = 0;
  for (index_t y = 0; y < p.height(); ++y) {
    const color c = p.pixel(480, y);
    light += c.blue > c.red && c != first_line;
  }
  BOOST_TEST(light > 100);  // the raw line goes up and down behind it
}

BOOST_AUTO_TEST_CASE(titles_and_names_are_drawn_and_flat_and_single_points_have_room) {
  series dot{"one point", {5}, {0.25}};
  const picture bare = draw_chart(std::vector{series{"", {5}, {0.25}}});
  const picture named = draw_chart(std::vector{dot}, {.title = "Title", .x_label = "step", .y_label = "loss"});
  const auto inked = [](const picture& p) {
    index_t n = 0;
    for (index_t y = 0; y < p.height(); ++y)
      for (index_t x = 0; x < p.width(); ++x) n += p.pixel(x, y) != colors::white;
    return n;
  };
  BOOST_TEST(inked(named) > inked(bare) + 200);
  index_t dots = 0;
  for (index_t x = 0; x < bare.width(); ++x) dots += !rows_of(bare, x).empty();
  BOOST_TEST(dots >= 1);
  BOOST_TEST(dots <= 4);
}

BOOST_AUTO_TEST_CASE(the_legend_hides_no_point_where_a_corner_is_free) {
  series rising = straight();
  const picture bare = draw_chart(std::vector{series{"", rising.x, rising.y}});
  rising.name = "rising";
  const picture named = draw_chart(std::vector{rising});
  const index_t right = named.width() - 120, end = named.width() - 22;
  for (index_t x = right; x < end; x += 7) BOOST_TEST(rows_of(named, x).size() == rows_of(bare, x).size());
}

BOOST_AUTO_TEST_CASE(charts_that_cannot_be_are_refused) {
  check_throws<config_error>([] { draw_chart({}); }, {"no point"});
  check_throws<config_error>(
      [] {
        draw_chart(std::vector{series{"a", {1}, {-1}}}, {.title = "T", .log_y = true});
      },
      {"\"T\"", "no point"});
  check_throws<shape_error>([] { draw_chart(std::vector{series{"a", {1, 2}, {1}}}); }, {"\"a\"", "found 1 y for 2 x"});
  check_throws<config_error>([] { draw_chart(std::vector{straight()}, {.width = 100}); }, {"100×540"});
}
