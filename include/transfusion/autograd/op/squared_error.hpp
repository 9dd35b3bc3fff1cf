// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/op/pointwise_error.hpp"

namespace transfusion {

/// Σ weights[i] · mean over image i of (prediction - target)² (paper eq. 3, one mean an image). A root: on a recording
/// tape it starts the gradient of the prediction. prediction, target: [all values]; result: the unweighted mean of each
/// image.
template <class Exec>
view<typename Exec::real, 1> squared_error(tape<Exec>& tape, var<Exec> prediction,
                                           view<const typename Exec::real, 1> target, view<const image_place, 1> images,
                                           view<const typename Exec::real, 1> weights) {
  require_extent("squared_error: target", target.size(), prediction.value().size());
  return pointwise_error(tape, error_kind::squared, prediction, target, images, weights);
}

}  // namespace transfusion
