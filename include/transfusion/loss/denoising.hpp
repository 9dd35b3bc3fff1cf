// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/op/squared_error.hpp"
#include "transfusion/loss/concepts.hpp"

namespace transfusion::loss {

/// L_DDPM: the mean over an image of (prediction - target)², then the mean over images (paper eq. 3, computed per
/// image).
struct denoising {
  static constexpr std::string_view name = "image";
  static constexpr double default_weight = 5;

  template <class Exec>
  static term_values<Exec> evaluate(context<Exec>& c, double weight) {
    using real = typename Exec::real;
    if (!c.prediction) return {};
    auto weights = c.tape.template list<real>(c.images.size());
    for (std::size_t i = 0; i < c.image_shares.size(); ++i)
      weights.push_back(static_cast<real>(weight * c.image_weights[i] * c.image_shares[i]));
    return {squared_error(c.tape, c.prediction, c.image_targets, c.images, c.tape.upload(weights)), c.image_shares};
  }
};

}  // namespace transfusion::loss
