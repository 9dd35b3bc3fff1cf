// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"
#include "transfusion/core/error_kind.hpp"
#include "transfusion/core/image.hpp"

namespace transfusion {

/// Σ weights[i] · mean over image i of the error of that kind. A root: on a recording tape it starts the gradient of
/// the prediction. prediction, target: [all values]; result: the unweighted mean of each image.
template <class Exec>
view<typename Exec::real, 1> pointwise_error(tape<Exec>& tape, error_kind kind, var<Exec> prediction,
                                             view<const typename Exec::real, 1> target,
                                             view<const image_place, 1> images,
                                             view<const typename Exec::real, 1> weights) {
  require_extent("pointwise_error: target", target.size(), prediction.value().size());
  require_extent("pointwise_error: weights", weights.size(), images.size());
  auto losses = tape.saved_real(images.size());
  tape.exec().pointwise_error(kind, losses, tape.sink(prediction), prediction.value().flat(), target, images, weights);
  return losses;
}

}  // namespace transfusion
