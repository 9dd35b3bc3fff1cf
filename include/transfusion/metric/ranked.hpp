// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/metric/item_scores.hpp"

namespace transfusion {

/// A continuation that a model may choose.
struct ranked_option {
  double log_likelihood = 0;  ///< Σ log P in nats of the option's own tokens, as of `text_log_likelihood`
  index_t length = 0;         ///< its tokens, words or bytes: what mean_over_length divides by
};

/// A question: which of its options is right?
struct ranked_item {
  std::vector<ranked_option> options;
  index_t correct = 0;
};

/// By what options are compared.
enum class rank_by { sum, mean_over_length };

struct ranked_result {
  double accuracy = 0;
  std::vector<index_t> chosen;  ///< of each item
  std::vector<double> right;    ///< of each item 1 or 0, for `bootstrap_mean`
};

namespace detail {

inline double rank_of(const ranked_option& o, rank_by by) {
  return by == rank_by::sum ? o.log_likelihood : o.log_likelihood / static_cast<double>(o.length);
}

inline void check_ranked(const ranked_item& item, std::size_t i, rank_by by) {
  const index_t options = static_cast<index_t>(item.options.size());
  require<config_error>(options > 0, "ranked_accuracy: item ", i, ": found no option, expected 1 at least");
  require<config_error>(item.correct >= 0 && item.correct < options, "ranked_accuracy: item ", i, ": correct: found ",
                        item.correct, ", expected 0 to ", options - 1);
  for (const ranked_option& o : item.options) {
    require<numeric_error>(!std::isnan(o.log_likelihood), "ranked_accuracy: item ", i,
                           ": found a log-likelihood that is not a number");
    require<config_error>(by == rank_by::sum || o.length > 0, "ranked_accuracy: item ", i, ": length: found ", o.length,
                          ", expected > 0");
  }
}

/// The first of the best.
inline index_t best_option(const ranked_item& item, rank_by by) {
  std::size_t best = 0;
  for (std::size_t o = 1; o < item.options.size(); ++o)
    if (rank_of(item.options[o], by) > rank_of(item.options[best], by)) best = o;
  return static_cast<index_t>(best);
}

}  // namespace detail

/// Accuracy where each item's option of the highest log-likelihood is chosen, by its sum or by its mean over the
/// option's length (Brown et al. 2020, §2.4); of equals, the first. Throws config_error without items, on an item
/// without options or a length below 1 that would divide, numeric_error on a NaN.
inline ranked_result ranked_accuracy(const std::vector<ranked_item>& items, rank_by by = rank_by::sum) {
  require<config_error>(!items.empty(), "ranked_accuracy: found no item, expected 1 at least");
  for (std::size_t i = 0; i < items.size(); ++i) detail::check_ranked(items[i], i, by);
  ranked_result result;
  for (const ranked_item& item : items) {
    result.chosen.push_back(detail::best_option(item, by));
    result.right.push_back(result.chosen.back() == item.correct ? 1 : 0);
  }
  result.accuracy = item_scores::of(result.right).mean;
  return result;
}

/// exp of the mean negative log-likelihood in nats over `targets` next-token targets. Throws config_error without
/// targets, numeric_error on a sum that is not a number.
inline double perplexity(double log_likelihood, index_t targets) {
  require<config_error>(targets > 0, "perplexity: targets: found ", targets, ", expected > 0");
  require<numeric_error>(!std::isnan(log_likelihood), "perplexity: found a log-likelihood that is not a number");
  return std::exp(-log_likelihood / static_cast<double>(targets));
}

}  // namespace transfusion
