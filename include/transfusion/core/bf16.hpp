// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "transfusion/core/host_device.hpp"

namespace transfusion {

/// bfloat16: the upper half of a float, rounded to nearest even. Storage only: arithmetic is done in float.
struct bf16 {
  std::uint16_t bits;

  bf16() = default;
  TRANSFUSION_HD constexpr explicit bf16(float value) : bits(rounded(value)) {}
  TRANSFUSION_HD constexpr operator float() const {
    return __builtin_bit_cast(float, static_cast<std::uint32_t>(bits) << 16);
  }

 private:
  TRANSFUSION_HD static constexpr std::uint16_t rounded(float value) {
    const auto word = __builtin_bit_cast(std::uint32_t, value);
    if ((word & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((word >> 16) | 0x40u);  // NaN stays NaN
    return static_cast<std::uint16_t>((word + 0x7fffu + ((word >> 16) & 1u)) >> 16);
  }
};
static_assert(sizeof(bf16) == 2);

/// The type in which a scalar's sums, statistics, losses and master weights are kept.
template <class Scalar>
struct accurate {
  using type = Scalar;
};
template <>
struct accurate<bf16> {
  using type = float;
};
template <class Scalar>
using accurate_t = typename accurate<Scalar>::type;

}  // namespace transfusion
