// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/loss/concepts.hpp"

namespace transfusion::loss {

/// log² Z of the next-token softmax, Z = Σ exp(logits), the mean over all rows with a target (Chowdhery et al. 2022,
/// §5; Chameleon 2024 with weight 1e-5). The head's pass works it out with `next_token`, behind which it stands in the
/// sum.
struct z_loss {
  static constexpr std::string_view name = "z";
  static constexpr double default_weight = 1e-5;

  template <class Exec>
  static term_values<Exec> evaluate(context<Exec>& c, double) {
    if (!c.log_z) return {};
    return {c.log_z, c.text_shares, true};
  }
};

}  // namespace transfusion::loss
