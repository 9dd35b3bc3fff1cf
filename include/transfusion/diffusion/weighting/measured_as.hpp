// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/policy_name.hpp"
#include "transfusion/diffusion/coefficients.hpp"
#include "transfusion/diffusion/level.hpp"
#include "transfusion/diffusion/weighting/unit.hpp"

namespace transfusion::weighting {

/// The loss in the space of `Target` whatever the model predicts: x0 with `measured_as<target::velocity>` is JiT's loss
/// (Li & He 2025, arXiv 2511.13720). Both quantities come from one x_t, so an error in the prediction is on_y times as
/// large in the other; |on_y| is held to `Most`, which for velocity is JiT's clamp of its denominator, the noise, at
/// 1/20. `Base` weighs the error in that space.
template <class Target, class Base = unit, int Most = 20>
struct measured_as {
  static_assert(Most > 0);
  Base base{};

  /// Throws `config_error` naming `Target` where a noised image and the prediction do not determine it.
  constexpr double operator()(noise_level level, coefficients predicted) const {
    const coefficients wanted = Target::of(level.signal, level.noise);
    const double on_y = factor(level, predicted, wanted);
    return base(level, wanted) * on_y * on_y;
  }

 private:
  static constexpr double factor(const noise_level& level, const coefficients& predicted, const coefficients& wanted) {
    recovery found;
    if (!detail::solve({level.signal, level.noise}, predicted, wanted, found)) {
      // At either end of a schedule this is the bound's business: on_y grows without limit on the way there.
      if (level.signal == 0 || level.noise == 0) return Most;
      detail::throw_unrecoverable(policy_name<Target>(), level, predicted, "weighting::measured_as: ");
    }
    const double size = detail::magnitude(found.on_y);
    return size < Most ? size : Most;
  }
};

}  // namespace transfusion::weighting
