// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/view.hpp"

namespace transfusion {

/// Which pixels a convolution or a pooling reads, on the device; layer/convolution_taps.hpp says what stands in them.
struct convolution_tables {
  view<const token_t, 2> taps;     ///< [M, K]
  view<const token_t, 2> reverse;  ///< [N, K]; empty where the tape does not record
};

}  // namespace transfusion
