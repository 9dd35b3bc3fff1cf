// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "support/picture.hpp"

namespace support {

/// One named line of a chart.
struct series {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;
};

struct chart_options {
  std::string title = {};
  std::string x_label = {};
  std::string y_label = {};
  bool log_x = false;
  bool log_y = false;
  bool points = false;  ///< mark each point
  index_t smooth = 1;   ///< points of the moving average; above 1 it is drawn over the raw line, which turns light
  index_t width = 960;
  index_t height = 540;
};

/// The mean over the finite values among the `window` round each point; narrower, and still in the middle, near the
/// beginning, where losses fall fast; cut off at the end. A point that is not finite stays so. Throws config_error
/// unless window ≥ 1.
std::vector<double> moving_average(std::span<const double> values, index_t window);

/// Round numbers that divide [low, high] into about `count` steps of 1, 2 or 5 times a power of ten.
/// The first is ≥ low and the last ≤ high.
std::vector<double> round_ticks(double low, double high, index_t count);

/// The same on a log axis: powers of ten, with 2 and 5 times them where there are few. 0 < low < high.
std::vector<double> log_ticks(double low, double high);

/// A line chart. A point that is not finite, or not positive on a log axis, breaks its line. Throws shape_error where x
/// and y differ in length, config_error where no point can be drawn.
picture draw_chart(std::span<const series> lines, const chart_options& options = {});

}  // namespace support
