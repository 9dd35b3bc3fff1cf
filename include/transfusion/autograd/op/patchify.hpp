// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"
#include "transfusion/core/image.hpp"

namespace transfusion {

/// Cuts images into windows, left to right and top to bottom (paper §3), front to back. values: flat [C, Z, H, W]
/// images; images: where each lies, on the device; result: [P, C·patch.size()]. The values have no gradient.
template <class Exec>
var<Exec> patchify(tape<Exec>& tape, view<const typename Exec::real, 1> values, view<const image_place, 1> images,
                   index_t patches, patch_shape patch, index_t channels) {
  auto y = tape.constant(tape.saved(patches, channels * patch.size()));
  tape.exec().patchify(y.value(), values, images, patch);
  return y;
}

/// The inverse of patchify. patches: [P, C·patch.size()]; result: [1, values], 0 where none of these images lies.
template <class Exec>
var<Exec> unpatchify(tape<Exec>& tape, var<Exec> patches, view<const image_place, 1> images, patch_shape patch,
                     index_t values) {
  auto y = tape.variable(1, values);
  if (patches.value().size() < values) tape.exec().fill(y.value().flat(), 0);
  tape.exec().unpatchify(y.value().flat(), patches.value(), images, patch);
  tape.on_backward([=](auto& t) {
    if (const auto dpatches = t.sink(patches))
      t.exec().unpatchify_backward(dpatches, t.gradient(y).flat(), images, patch);
  });
  return y;
}

}  // namespace transfusion
