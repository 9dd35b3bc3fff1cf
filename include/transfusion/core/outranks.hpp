// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/host_device.hpp"

namespace transfusion {

/// Whether v takes the place of the largest value so far: an equal one does not, and what is no number is above all.
template <class Real>
TRANSFUSION_HD constexpr bool outranks(Real v, Real largest) {
  return v > largest || (v != v && largest == largest);
}

}  // namespace transfusion
