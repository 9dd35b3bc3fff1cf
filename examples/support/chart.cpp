// SPDX-License-Identifier: Apache-2.0
#include "support/chart.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "transfusion/core/error.hpp"

namespace support {
using transfusion::config_error;
using transfusion::require;
using transfusion::shape_error;

namespace {

/// Told apart by hue and by lightness, so that a grey print can be read as well.
constexpr color palette[] = {{31, 98, 176}, {217, 95, 14}, {38, 139, 82}, {160, 50, 130}, {120, 90, 60}, {70, 70, 75}};

color palette_color(std::size_t i) { return palette[i % std::size(palette)]; }

color lightened(color c) {
  const auto mix = [](std::uint8_t v) { return static_cast<std::uint8_t>(255 - (255 - v) / 3); };
  return {mix(c.red), mix(c.green), mix(c.blue)};
}

/// 0.5, 20, 1,500, 20k, 3M, 2e-05.
std::string tick_text(double v) {
  char text[64];
  const double size = std::abs(v);
  if (size >= 1e6 && size < 1e9) {
    std::snprintf(text, sizeof text, "%gM", v / 1e6);
  } else if (size >= 1e4 && size < 1e6) {
    std::snprintf(text, sizeof text, "%gk", v / 1e3);
  } else if (size >= 1e3 && size < 1e4 && v == std::round(v)) {
    std::snprintf(text, sizeof text, "%s%d,%03d", v < 0 ? "-" : "", static_cast<int>(size) / 1000,
                  static_cast<int>(size) % 1000);
  } else {
    std::snprintf(text, sizeof text, "%.6g", v);
  }
  return text;
}

/// Maps values to pixels, straight or by their logarithm.
struct axis {
  double low = 0.0, high = 1.0;
  double from = 0.0, to = 1.0;
  bool log = false;

  double operator()(double v) const {
    const auto f = [this](double u) { return log ? std::log10(u) : u; };
    return from + (f(v) - f(low)) / (f(high) - f(low)) * (to - from);
  }
};

struct value_bounds {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(double v) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
};

class chart {
 public:
  chart(std::span<const series> lines, const chart_options& options)
      : lines_(lines), options_(options), canvas_(options.width, options.height) {
    require<config_error>(options.width >= 240 && options.height >= 160, "chart: size: found ", options.width, "×",
                          options.height, ", expected at least 240×160");
    for (const series& line : lines) {
      require<shape_error>(line.x.size() == line.y.size(), "chart: series \"", line.name, "\": found ", line.y.size(),
                           " y for ", line.x.size(), " x, expected as many");
      smoothed_.push_back(options.smooth > 1 ? moving_average(line.y, options.smooth) : line.y);
    }
    measure();
  }

  picture draw() {
    draw_axes();
    if (options_.smooth > 1)
      for (std::size_t i = 0; i < lines_.size(); ++i)
        draw_line(lines_[i].x, lines_[i].y, lightened(palette_color(i)), 1.0);
    for (std::size_t i = 0; i < lines_.size(); ++i) draw_line(lines_[i].x, smoothed_[i], palette_color(i), 2.0);
    draw_legend();
    return canvas_;
  }

 private:
  static constexpr double text_size = 13.0;

  bool drawable(double x, double y) const {
    return std::isfinite(x) && std::isfinite(y) && (!options_.log_x || x > 0) && (!options_.log_y || y > 0);
  }

  void measure() {
    value_bounds xs, ys;
    for (const series& line : lines_)
      for (std::size_t i = 0; i < line.x.size(); ++i)
        if (drawable(line.x[i], line.y[i])) {
          xs.add(line.x[i]);
          ys.add(line.y[i]);
        }
    require<config_error>(xs.low <= xs.high, "chart \"", options_.title,
                          "\": found no point that can be drawn, expected some");
    widen(xs, ys);
    x_ = {.low = xs.low, .high = xs.high, .log = options_.log_x};
    y_ = {.low = ys.low, .high = ys.high, .log = options_.log_y};
    x_ticks_ =
        x_.log ? log_ticks(x_.low, x_.high) : round_ticks(x_.low, x_.high, std::max<index_t>(2, options_.width / 110));
    y_ticks_ =
        y_.log ? log_ticks(y_.low, y_.high) : round_ticks(y_.low, y_.high, std::max<index_t>(2, options_.height / 65));
    place();
  }

  /// Gives a flat line some room, and each line room above and below.
  void widen(value_bounds& xs, value_bounds& ys) const {
    if (xs.low == xs.high)
      xs = options_.log_x ? value_bounds{xs.low / 2, xs.high * 2} : value_bounds{xs.low - 0.5, xs.high + 0.5};
    if (options_.log_y) {
      const double factor = std::max(1.05, std::pow(ys.high / ys.low, 0.04));
      ys = {ys.low / factor, ys.high * factor};
      return;
    }
    const double room = ys.low == ys.high ? std::max(1e-3, 0.1 * std::abs(ys.low)) : 0.04 * (ys.high - ys.low);
    // Losses are read against zero: where zero is near, the axis begins there.
    const bool from_zero = ys.low >= 0 && ys.low < 0.3 * ys.high;
    ys = {from_zero ? 0.0 : ys.low - room, ys.high + room};
  }

  void place() {
    index_t tick_width = 0;
    for (const double v : y_ticks_) tick_width = std::max(tick_width, text_width(tick_text(v), text_size));
    const index_t line = line_height(text_size);
    top_ = 14 + (options_.title.empty() ? 0 : line_height(18) + 4) + (options_.y_label.empty() ? 0 : line + 2);
    bottom_ = options_.height - 14 - line - 4 - (options_.x_label.empty() ? 0 : line + 2);
    left_ = 14 + tick_width + 8;
    right_ = options_.width - 22;
    x_.from = static_cast<double>(left_);
    x_.to = static_cast<double>(right_);
    y_.from = static_cast<double>(bottom_);
    y_.to = static_cast<double>(top_);
  }

  void draw_axes() {
    const index_t line = line_height(text_size);
    const text_style style{.size = text_size};
    if (!options_.title.empty()) canvas_.text(14, 12, options_.title, {.size = 18, .bold = true});
    if (!options_.y_label.empty())
      canvas_.text(14, top_ - line - 4, options_.y_label, {.size = text_size, .ink = colors::grey});
    for (const double v : y_ticks_) {
      const auto y = static_cast<index_t>(std::lround(y_(v)));
      canvas_.rectangle(left_, y, right_ - left_, 1, colors::light);
      const std::string text = tick_text(v);
      canvas_.text(left_ - 8 - text_width(text, text_size), y - line / 2, text, style);
    }
    index_t free_from = 0;
    for (const double v : x_ticks_) {
      const auto x = static_cast<index_t>(std::lround(x_(v)));
      canvas_.rectangle(x, bottom_, 1, 5, colors::grey);
      const std::string text = tick_text(v);
      const index_t width = text_width(text, text_size);
      const index_t at = std::clamp<index_t>(x - width / 2, 2, options_.width - width - 2);
      if (at < free_from) continue;  // a label that would touch its neighbour
      canvas_.text(at, bottom_ + 7, text, style);
      free_from = at + width + 8;
    }
    canvas_.rectangle(left_, bottom_, right_ - left_, 1, colors::grey);
    if (!options_.x_label.empty()) {
      const index_t width = text_width(options_.x_label, text_size);
      canvas_.text((left_ + right_ - width) / 2, bottom_ + 9 + line, options_.x_label,
                   {.size = text_size, .ink = colors::grey});
    }
  }

  void draw_line(std::span<const double> xs, std::span<const double> ys, color c, double thickness) {
    std::vector<point> run;
    const auto flush = [&] {
      const bool dot = run.size() == 1;
      if (dot) run.push_back(run.front());
      if (!run.empty()) canvas_.polyline(run, c, dot ? thickness + 2.0 : thickness);
      run.clear();
    };
    for (std::size_t i = 0; i < xs.size(); ++i) {
      if (drawable(xs[i], ys[i])) {
        run.push_back({x_(xs[i]) + 0.5, y_(ys[i]) + 0.5});
        if (options_.points) canvas_.line(run.back(), run.back(), c, thickness + 4.0);
      } else {
        flush();
      }
    }
    flush();
  }

  /// The corner where a box hides the fewest points, the top right one where others hide as many.
  std::array<index_t, 2> legend_place(index_t width, index_t height) const {
    const index_t left = left_ + 8, right = right_ - width - 6, top = top_ + 8, bottom = bottom_ - height - 8;
    const std::array<std::array<index_t, 2>, 4> corners{{{right, top}, {left, top}, {left, bottom}, {right, bottom}}};
    const auto hidden = [&](const std::array<index_t, 2>& corner) {
      index_t count = 0;
      for (std::size_t l = 0; l < lines_.size(); ++l)
        for (std::size_t i = 0; i < lines_[l].x.size(); ++i) {
          if (!drawable(lines_[l].x[i], smoothed_[l][i])) continue;
          const double x = x_(lines_[l].x[i]) - static_cast<double>(corner[0]);
          const double y = y_(smoothed_[l][i]) - static_cast<double>(corner[1]);
          count += x >= 0 && x <= static_cast<double>(width) && y >= 0 && y <= static_cast<double>(height) ? 1 : 0;
        }
      return count;
    };
    return *std::min_element(corners.begin(), corners.end(),
                             [&](const auto& a, const auto& b) { return hidden(a) < hidden(b); });
  }

  void draw_legend() {
    index_t width = 0;
    for (const series& line : lines_) width = std::max(width, text_width(line.name, text_size));
    if (width == 0) return;
    const index_t line = line_height(text_size) + 2, height = static_cast<index_t>(lines_.size()) * line + 10;
    const auto [x, y] = legend_place(width + 46, height);
    canvas_.rectangle(x, y, width + 46, height, colors::white);
    canvas_.frame(x, y, width + 46, height, colors::light);
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      const index_t row = y + 5 + static_cast<index_t>(i) * line;
      const double middle = static_cast<double>(row + line / 2) - 0.5;
      canvas_.line({static_cast<double>(x) + 9, middle}, {static_cast<double>(x) + 29, middle}, palette_color(i), 2.5);
      canvas_.text(x + 37, row, lines_[i].name, {.size = text_size});
    }
  }

  std::span<const series> lines_;
  const chart_options& options_;
  picture canvas_;
  std::vector<std::vector<double>> smoothed_;
  axis x_, y_;
  std::vector<double> x_ticks_, y_ticks_;
  index_t left_ = 0, right_ = 0, top_ = 0, bottom_ = 0;
};

}  // namespace

std::vector<double> moving_average(std::span<const double> values, index_t window) {
  require<config_error>(window >= 1, "moving_average: window: found ", window, ", expected at least 1");
  const auto size = static_cast<index_t>(values.size());
  std::vector<double> out(values.begin(), values.end());
  const auto at = [&](index_t i) { return values[static_cast<std::size_t>(i)]; };
  for (index_t i = 0; i < size; ++i) {
    if (!std::isfinite(at(i))) continue;
    double sum = 0.0, count = 0.0;
    const index_t half = std::min(window / 2, i);
    for (index_t j = i - half; j <= std::min(i + half, size - 1); ++j)
      if (std::isfinite(at(j))) {
        sum += at(j);
        count += 1.0;
      }
    out[static_cast<std::size_t>(i)] = sum / count;
  }
  return out;
}

std::vector<double> round_ticks(double low, double high, index_t count) {
  require<config_error>(std::isfinite(low) && std::isfinite(high) && low < high && count >= 1, "round_ticks: found [",
                        low, ", ", high, "] and ", count, " steps, expected low < high and at least 1 step");
  const double rough = (high - low) / static_cast<double>(count);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double share = rough / power;
  const double step = power * (share <= 1.0 ? 1.0 : share <= 2.0 ? 2.0 : share <= 5.0 ? 5.0 : 10.0);
  std::vector<double> ticks;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1.0)
    ticks.push_back(k * step + 0.0);
  return ticks;
}

std::vector<double> log_ticks(double low, double high) {
  require<config_error>(low > 0 && low < high && std::isfinite(high), "log_ticks: found [", low, ", ", high,
                        "], expected 0 < low < high");
  const int first = static_cast<int>(std::floor(std::log10(low))), last = static_cast<int>(std::ceil(std::log10(high)));
  const std::vector<double> factors = last - first <= 3 ? std::vector<double>{1, 2, 5} : std::vector<double>{1};
  // Many decades carry a tick on every second, third, … power.
  const int stride = 1 + (last - first) / 10;
  std::vector<double> ticks;
  for (int power = first; power <= last; power += stride)
    for (const double factor : factors)
      if (const double v = factor * std::pow(10.0, power); v >= low && v <= high) ticks.push_back(v);
  // Less than a factor of two or so: round numbers serve better.
  return ticks.size() >= 2 ? ticks : round_ticks(low, high, 4);
}

picture draw_chart(std::span<const series> lines, const chart_options& options) { return chart(lines, options).draw(); }

}  // namespace support
