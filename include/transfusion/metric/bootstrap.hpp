// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <numeric>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/philox.hpp"

namespace transfusion {

struct bootstrap_options {
  index_t resamples = 1000;
  double confidence = 0.95;
  std::uint64_t seed = 0;
};

/// A measure, the ends of its interval, and its standard error, in the measure's own unit.
struct bootstrap_result {
  double value = 0;
  double low = 0;
  double high = 0;
  double standard_error = 0;
};

/// A measure of some of the items, by their indices; one may come more than once.
template <class Statistic>
concept item_statistic = requires(Statistic& measure, const std::vector<index_t>& items) {
  { measure(items) } -> std::convertible_to<double>;
};

namespace detail {

/// The value below which a share of a rising list lies, linear between neighbours (Hyndman & Fan 1996, type 7).
inline double quantile(const std::vector<double>& rising, double share) {
  const double place = share * static_cast<double>(rising.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, rising.size() - 1);
  return rising[below] + (place - static_cast<double>(below)) * (rising[above] - rising[below]);
}

/// √(Σ (x - mean)² / (n - 1)).
inline double standard_deviation(const std::vector<double>& values) {
  const double count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double sum = 0;
  for (const double v : values) sum += (v - mean) * (v - mean);
  return std::sqrt(sum / (count - 1));
}

inline void check_bootstrap(index_t items, const bootstrap_options& o) {
  require<config_error>(items > 1, "bootstrap: items: found ", items, ", expected 2 at least");
  require<config_error>(o.resamples > 1, "bootstrap: resamples: found ", o.resamples, ", expected 2 at least");
  require<config_error>(o.confidence > 0 && o.confidence < 1, "bootstrap: confidence: found ", o.confidence,
                        ", expected between 0 and 1");
}

}  // namespace detail

/// The percentile bootstrap (Efron 1979; Efron & Tibshirani 1993, §13): the measure of `items` items, and how it varies
/// over as many items drawn from them with replacement. The statistic is called with all items first, then with each
/// resample. Draws are pure functions of seed, resample and place. Throws config_error below two items or resamples,
/// numeric_error where the statistic is not finite.
template <item_statistic Statistic>
bootstrap_result bootstrap(index_t items, Statistic&& statistic, const bootstrap_options& options = {}) {
  detail::check_bootstrap(items, options);
  std::vector<index_t> chosen(static_cast<std::size_t>(items));
  const auto measured = [&] {
    const auto value = static_cast<double>(statistic(static_cast<const std::vector<index_t>&>(chosen)));
    require<numeric_error>(std::isfinite(value), "bootstrap: found a statistic of ", value, ", expected a finite one");
    return value;
  };
  std::iota(chosen.begin(), chosen.end(), index_t{0});
  const double value = measured();

  std::vector<double> values;
  for (index_t r = 0; r < options.resamples; ++r) {
    const random_key key{options.seed, static_cast<std::uint32_t>(r), stream::resampling};
    for (std::size_t i = 0; i < chosen.size(); ++i) chosen[i] = key.below(i, items);
    values.push_back(measured());
  }
  std::sort(values.begin(), values.end());
  const double tail = (1 - options.confidence) / 2;
  return {value, detail::quantile(values, tail), detail::quantile(values, 1 - tail),
          detail::standard_deviation(values)};
}

/// The same for a measure that is the mean of its items' scores.
inline bootstrap_result bootstrap_mean(const std::vector<double>& scores, const bootstrap_options& options = {}) {
  const auto mean = [&](const std::vector<index_t>& chosen) {
    double sum = 0;
    for (const index_t i : chosen) sum += scores[static_cast<std::size_t>(i)];
    return sum / static_cast<double>(chosen.size());
  };
  return bootstrap(static_cast<index_t>(scores.size()), mean, options);
}

}  // namespace transfusion
