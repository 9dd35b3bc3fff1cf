// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <type_traits>

#include "transfusion/loss/next_token.hpp"
#include "transfusion/loss/z_loss.hpp"

namespace transfusion::loss {

/// Σ weight · term, weights being data. The paper: L_LM + 5 · L_DDPM (eq. 4) is weighted_sum<next_token, denoising>.
template <class... Terms>
struct weighted_sum {
  static constexpr std::size_t terms = sizeof...(Terms);
  static constexpr std::array<std::string_view, terms> names{Terms::name...};
  static constexpr std::array<double, terms> default_weights{Terms::default_weight...};

  /// Throws config_error on weights that cannot go together.
  static void require_valid(const std::array<double, terms>& weights) {
    std::size_t i = 0;
    double text = 0, z = 0;
    ((std::is_same_v<Terms, next_token> ? void(text = weights[i]) : void(),
      std::is_same_v<Terms, z_loss> ? void(z = weights[i]) : void(), ++i),
     ...);
    require<config_error>(z == 0 || text != 0, "loss_weights: found text 0 beside z ", z,
                          ", expected a weight for the text, as both are one pass");
  }

  template <class Exec>
  static std::array<term_values<Exec>, terms> evaluate(context<Exec>& c, const std::array<double, terms>& weights) {
    static_assert((loss_term<Terms, Exec> && ...));
    static_assert(z_follows_text(), "z_loss stands behind next_token, whose pass works it out");
    std::size_t i = 0;
    ((std::is_same_v<Terms, z_loss> ? void(c.z_weight = weights[i]) : void(), ++i), ...);
    i = 0;
    return {Terms::evaluate(c, weights[i++])...};  // braces: in order
  }

 private:
  static constexpr bool z_follows_text() {
    bool text = false, right = true;
    ((right = right && (text || !std::is_same_v<Terms, z_loss>), text = text || std::is_same_v<Terms, next_token>),
     ...);
    return right;
  }
};

}  // namespace transfusion::loss
