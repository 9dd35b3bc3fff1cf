// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace support {

/// 0..255 → [−1, 1], the range in which the model sees an image. One rounding, so that fused arithmetic changes
/// nothing.
constexpr float to_signed_unit(std::uint8_t pixel) { return static_cast<float>(2 * pixel - 255) / 255.0f; }

/// [−1, 1] → 0..255, rounded to the nearest and clamped. The value must not be NaN.
inline std::uint8_t to_pixel(float value) {
  return static_cast<std::uint8_t>(std::lround(std::clamp((value + 1.0f) * 127.5f, 0.0f, 255.0f)));
}

}  // namespace support
