// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/op/head_cross_entropy.hpp"
#include "transfusion/autograd/op/rows.hpp"
#include "transfusion/core/error.hpp"
#include "transfusion/loss/concepts.hpp"

namespace transfusion::loss {

/// L_LM: -log P(next token), the mean over all rows with a target (paper eq. 1; no loss where the input is BOI, fn 8).
struct next_token {
  static constexpr std::string_view name = "text";
  static constexpr double default_weight = 1;

  template <class Exec>
  static term_values<Exec> evaluate(context<Exec>& c, double weight) {
    using real = typename Exec::real;
    if (c.text_rows.size() == 0) return {};
    auto weights = c.tape.template list<real>(c.text_rows.size());
    for (double share : c.text_shares) weights.push_back(static_cast<real>(weight * share));
    auto rows = gather_rows(c.tape, c.hidden, c.text_rows);
    // The pass weighs log² Z with the row's own weight, so that z_loss enters relative to it.
    const double z_weight = c.z_weight == 0 ? 0 : c.z_weight / weight;
    const auto losses =
        head_cross_entropy(c.tape, rows, c.head, c.targets, c.tape.upload(weights), z_weight, c.label_smoothing);
    c.log_z = losses.log_z;
    return {losses.cross_entropy, c.text_shares};
  }
};

}  // namespace transfusion::loss
