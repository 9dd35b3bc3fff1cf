// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/diffusion/time_sampling/uniform.hpp"

namespace transfusion::time_sampling {

/// The paper's noise limit (§4.3.4, table 8): n uniform on {1, …, Limit} where the image stands first in its document,
/// so that the text after it can see it; on {1, …, 1000} elsewhere.
template <int Limit = 500>
struct limited {
  static_assert(Limit >= 1 && Limit <= uniform::steps);

  constexpr double operator()(double u, bool image_first) const {
    return uniform::among(u, image_first ? Limit : uniform::steps);
  }
};

}  // namespace transfusion::time_sampling
