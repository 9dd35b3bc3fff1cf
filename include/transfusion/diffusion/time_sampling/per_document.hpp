// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/diffusion/time_sampling/uniform.hpp"

namespace transfusion::time_sampling {

/// All images of a document stand at one time of another sampler, drawn for the first of them. The other samplers draw
/// each image's by itself.
template <class Base = uniform>
struct per_document {
  Base base{};

  static constexpr bool shares_level_in_document = true;

  constexpr double operator()(double u, bool image_first) const { return base(u, image_first); }
};

}  // namespace transfusion::time_sampling
