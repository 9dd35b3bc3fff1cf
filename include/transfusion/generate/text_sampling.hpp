// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/types.hpp"

namespace transfusion {

/// How the next token is drawn from the logits. The default is greedy, as in the paper (§4.1).
struct text_sampling {
  double temperature = 0;  ///< 0: greedy
  index_t top_k = 0;       ///< keep the k most likely tokens; 0: all
  double top_p = 1;        ///< keep the smallest set of tokens whose probability reaches p (Holtzman et al. 2020)
};

/// Throws config_error on a setting outside its range.
inline void require_valid(const text_sampling& s) {
  require<config_error>(s.temperature >= 0, "temperature: found ", s.temperature, ", expected >= 0");
  require<config_error>(s.top_k >= 0, "top_k: found ", s.top_k, ", expected >= 0");
  require<config_error>(s.top_p > 0 && s.top_p <= 1, "top_p: found ", s.top_p, ", expected above 0 and up to 1");
}

/// Draws a token by one uniform number u in (0, 1). Logits of -inf are never drawn. Ties go to the lower token.
/// Throws numeric_error on a logit that is NaN or +inf, or where all are -inf.
template <class Scalar>
token_t sample_token(const std::vector<Scalar>& logits, const text_sampling& s, double u) {
  std::vector<token_t> order(logits.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<token_t>(i);
  const auto logit = [&](token_t t) { return static_cast<double>(logits[static_cast<std::size_t>(t)]); };
  bool any = false;
  for (token_t t : order) {
    require<numeric_error>(logit(t) < INFINITY, "logits: token ", t, ": found ", logit(t), ", expected a number");
    any = any || logit(t) > -INFINITY;
  }
  require<numeric_error>(any, "logits: found no token above -inf, expected one at least");
  const auto likelier = [&](token_t a, token_t b) { return logit(a) > logit(b) || (logit(a) == logit(b) && a < b); };
  if (s.temperature == 0) return *std::min_element(order.begin(), order.end(), likelier);

  std::sort(order.begin(), order.end(), likelier);
  if (s.top_k > 0 && static_cast<std::size_t>(s.top_k) < order.size()) order.resize(static_cast<std::size_t>(s.top_k));
  std::vector<double> reach;  // running sums of probabilities, likeliest first
  double sum = 0;
  for (token_t t : order) reach.push_back(sum += std::exp((logit(t) - logit(order[0])) / s.temperature));
  const double kept = s.top_p * sum;
  const std::size_t count =
      static_cast<std::size_t>(std::lower_bound(reach.begin(), reach.end(), kept) - reach.begin()) + 1;
  const std::size_t last = std::min(count, reach.size()) - 1;
  const auto drawn =
      std::upper_bound(reach.begin(), reach.begin() + static_cast<std::ptrdiff_t>(last), u * reach[last]);
  return order[static_cast<std::size_t>(drawn - reach.begin())];
}

}  // namespace transfusion
