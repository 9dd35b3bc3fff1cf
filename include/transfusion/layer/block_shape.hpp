// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/layer/linear.hpp"
#include "transfusion/layer/routing.hpp"

namespace transfusion {

/// The sizes of one block, and what else its parameters depend on.
struct block_shape {
  index_t width = 0;         ///< D
  index_t heads = 0;         ///< H
  index_t kv_heads = 0;      ///< G
  index_t feed_forward = 0;  ///< F
  index_t layers = 1;        ///< of the whole trunk: deeper trunks start their output projections smaller
  double norm_epsilon = 1e-5;
  double dropout = 0;           ///< share of each branch's values that a training step leaves out
  index_t routes = 1;           ///< kinds of rows: text and the continuous modalities
  separate_weights separate{};  ///< which weights each of them has of its own

  constexpr index_t routes_if(bool separate_here) const { return separate_here ? routes : 1; }

  /// 0.02 / sqrt(2L), as GPT-2: 2L branches add up to one residual stream.
  double out_deviation() const { return initial_deviation / std::sqrt(2.0 * static_cast<double>(layers)); }
};

}  // namespace transfusion
