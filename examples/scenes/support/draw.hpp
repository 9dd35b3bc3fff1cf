// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "scenes/support/scene.hpp"
#include "transfusion/sequence/document.hpp"

namespace scenes {

/// A scene as an RGB image [3, side, side] with values in [−1, 1]. A pixel that an outline crosses is as much of each
/// colour as 8×8 places in it say. Throws config_error unless side is 16 to 4096, and where an object is not wholly
/// inside.
tf::image draw(const scene& s, index_t side);

}  // namespace scenes
