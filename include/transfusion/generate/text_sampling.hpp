// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/sample_token.hpp"
#include "transfusion/core/text_sampling.hpp"

namespace transfusion {

/// Draws a token by one uniform number u in (0, 1). Logits of -inf are never drawn. Ties go to the lower token.
/// Throws numeric_error on a logit that is NaN or +inf, or where all are -inf.
template <class Scalar>
token_t sample_token(const std::vector<Scalar>& logits, const text_sampling& s, double u) {
  const auto count = static_cast<index_t>(logits.size());
  std::vector<token_t> order(logits.size());
  std::vector<double> reach(logits.size());
  const token_t drawn =
      sample_token(view<const Scalar, 1>(logits.data(), count), s, u, {}, {order.data(), reach.data()});
  if (drawn != ignored) return drawn;
  for (index_t t = 0; t < count; ++t) {
    const double logit = static_cast<double>(logits[static_cast<std::size_t>(t)]);
    require<numeric_error>(logit < INFINITY, "logits: token ", t, ": found ", logit, ", expected a number");
  }
  throw numeric_error("logits: found no token above -inf, expected one at least");
}

}  // namespace transfusion
