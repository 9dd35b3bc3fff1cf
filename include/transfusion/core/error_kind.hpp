// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace transfusion {

/// How far a prediction p lies from its target t, value by value.
enum class error_kind {
  squared,   ///< (p - t)²
  absolute,  ///< |p - t|; no gradient where they are equal
  hinge,     ///< max(0, 1 - t p), t = 1 or -1: a discriminator's loss (Lim & Ye 2017, eq. 2)
  linear     ///< -t p: what its generator minimises (eq. 3)
};

}  // namespace transfusion
