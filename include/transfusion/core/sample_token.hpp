// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "transfusion/core/text_sampling.hpp"
#include "transfusion/core/view.hpp"

namespace transfusion {

/// What a draw works in: room for as many elements as there are logits in each.
struct sampling_space {
  token_t* order;
  double* reach;
};

/// Draws a token by one uniform number u in (0, 1). Logits of -inf and the `forbidden` tokens (-1 is none) are never
/// drawn. Ties go to the lower token. Gives -1 where a logit that may be drawn is NaN or +inf, or where there is none.
template <class Real>
token_t sample_token(view<const Real, 1> logits, const text_sampling& s, double u, view<const token_t, 1> forbidden,
                     sampling_space space) {
  const auto logit = [&](token_t t) { return static_cast<double>(logits[t]); };
  const token_t *never = forbidden.data, *never_end = never + forbidden.size();
  token_t *order = space.order, *end = order;
  for (token_t t = 0; t < static_cast<token_t>(logits.size()); ++t) {
    if (logit(t) == -INFINITY || std::find(never, never_end, t) != never_end) continue;
    if (!(logit(t) < INFINITY)) return ignored;
    *end++ = t;
  }
  if (end == order) return ignored;
  const auto likelier = [&](token_t a, token_t b) { return logit(a) > logit(b) || (logit(a) == logit(b) && a < b); };
  if (s.temperature == 0) return *std::min_element(order, end, likelier);

  if (s.top_k > 0 && s.top_k < end - order) {
    std::partial_sort(order, order + s.top_k, end, likelier);
    end = order + s.top_k;
  } else {
    std::sort(order, end, likelier);
  }
  double *reach = space.reach, *reach_end = reach;  // running sums of probabilities, likeliest first
  double sum = 0;
  for (const token_t* t = order; t != end; ++t)
    *reach_end++ = sum += std::exp((logit(*t) - logit(order[0])) / s.temperature);
  double* last = std::min(std::lower_bound(reach, reach_end, s.top_p * sum), reach_end - 1);
  return order[std::upper_bound(reach, last, u * *last) - reach];
}

}  // namespace transfusion
