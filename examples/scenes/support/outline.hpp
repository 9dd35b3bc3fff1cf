// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "scenes/support/scene.hpp"

namespace scenes {

/// How far (x, y) is from the outline of a shape of radius 1 in the middle (0, 0): less than 0 inside. y points down.
double outline_distance(shape s, double x, double y);

}  // namespace scenes
