// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/types.hpp"

namespace transfusion {

/// Which codes of a codebook training reads: how many, how evenly, and which have not been read for long.
class code_use {
 public:
  static constexpr double memory = 0.99;  ///< what a step leaves of the counts before it

  static constexpr std::int64_t never = -(std::int64_t{1} << 62);

  code_use() = default;
  explicit code_use(index_t codes)
      : counts_(static_cast<std::size_t>(codes), 0),
        last_(static_cast<std::size_t>(codes), never),
        renewed_(static_cast<std::size_t>(codes), never) {}

  /// The codes of a step; steps rise.
  void add(index_t step, std::span<const token_t> codes) {
    for (double& c : counts_) c *= memory;
    for (token_t code : codes) {
      ++counts_[static_cast<std::size_t>(code)];
      last_[static_cast<std::size_t>(code)] = step;
    }
  }
  /// A code that starts again gets as long as any other to be read.
  void renew(index_t code, index_t step) { renewed_[static_cast<std::size_t>(code)] = step; }

  /// How many codes were read in the last `window` steps, this one included.
  index_t read(index_t step, index_t window) const {
    return std::count_if(last_.begin(), last_.end(), [&](std::int64_t last) { return last > step - window; });
  }
  /// The codes that were neither read nor renewed in them.
  std::vector<index_t> dead(index_t step, index_t window) const {
    std::vector<index_t> codes;
    for (std::size_t c = 0; c < last_.size(); ++c)
      if (std::max(last_[c], renewed_[c]) <= step - window) codes.push_back(static_cast<index_t>(c));
    return codes;
  }
  /// e to the entropy of the codes, in nats: how many equally frequent ones there would be. 0 before the first step.
  double perplexity() const {
    double all = 0, entropy = 0;
    for (double c : counts_) all += c;
    if (all == 0) return 0;
    for (double c : counts_)
      if (c > 0) entropy -= c / all * std::log(c / all);
    return std::exp(entropy);
  }

  index_t codes() const { return static_cast<index_t>(last_.size()); }

  /// For checkpoints: the counts, and the step in which each code was read last and renewed last, or `never`.
  const std::vector<double>& counts() const { return counts_; }
  const std::vector<std::int64_t>& last_steps() const { return last_; }
  const std::vector<std::int64_t>& renewed_steps() const { return renewed_; }
  void restore(std::vector<double> counts, std::vector<std::int64_t> last, std::vector<std::int64_t> renewed) {
    counts_ = std::move(counts);
    last_ = std::move(last);
    renewed_ = std::move(renewed);
  }

 private:
  std::vector<double> counts_;
  std::vector<std::int64_t> last_, renewed_;
};

}  // namespace transfusion
