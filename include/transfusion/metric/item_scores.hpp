// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <numeric>
#include <utility>
#include <vector>

namespace transfusion {

/// What a measure gives each of its items, and their mean: what `bootstrap_mean` takes.
struct item_scores {
  std::vector<double> each;
  double mean = 0;

  /// The mean of no item is NaN.
  static item_scores of(std::vector<double> each) {
    const double sum = std::accumulate(each.begin(), each.end(), 0.0);
    const double count = static_cast<double>(each.size());
    return {std::move(each), sum / count};
  }
};

}  // namespace transfusion
