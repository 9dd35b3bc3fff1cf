// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/view.hpp"
#include "transfusion/generate/options.hpp"

namespace transfusion::detail {

/// Classifier-free guidance of predictions or logits, of which `all` holds so many branches one after the other: with
/// the whole context, with none and, of three, with its images alone. y: [one branch]. mix(y, a, u, b, v) is
/// y = a·u + b·v.
template <class Real, class Mix>
void guide(view<Real, 1> y, view<const Real, 1> all, const generation_options& o, index_t branches, Mix mix) {
  const index_t part = y.size();
  const auto context = all.slice(0, part), none = all.slice(part, 2 * part);
  if (branches == 2) return mix(y, o.guidance, context, 1 - o.guidance, none);
  const double image_scale = *o.image_guidance;
  mix(y, o.guidance, context, image_scale - o.guidance, all.slice(2 * part, 3 * part));
  mix(y, 1, y, 1 - image_scale, none);
}

}  // namespace transfusion::detail
