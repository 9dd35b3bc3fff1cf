// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/op/head_cross_entropy.hpp"
#include "transfusion/autograd/op/rows.hpp"
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
    const real each = static_cast<real>(weight / static_cast<double>(c.all_targets));
    auto weights = c.tape.template list<real>(c.text_rows.size());
    for (index_t r = 0; r < c.text_rows.size(); ++r) weights.push_back(each);
    auto rows = gather_rows(c.tape, c.hidden, c.text_rows);
    const auto losses = head_cross_entropy(c.tape, rows, c.head, c.targets, c.tape.upload(weights));
    return {losses.cross_entropy, c.all_targets};
  }
};

}  // namespace transfusion::loss
