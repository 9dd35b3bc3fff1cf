// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <string>

#include "transfusion/layer/attention.hpp"
#include "transfusion/layer/feed_forward.hpp"
#include "transfusion/layer/norm.hpp"

namespace transfusion {

/// The sizes of one block.
struct block_shape {
  index_t width = 0;         ///< D
  index_t heads = 0;         ///< H
  index_t kv_heads = 0;      ///< G
  index_t feed_forward = 0;  ///< F
  index_t layers = 1;        ///< of the whole trunk: deeper trunks start their output projections smaller
  double norm_epsilon = 1e-5;
};

namespace block {

/// The Llama block: x += attention(norm(x)); x += feed_forward(norm(x)) (Touvron et al. 2023; paper §3).
struct llama {
  template <class Exec>
  struct layer {
    transfusion::layer::norm<Exec> attention_norm;
    transfusion::layer::attention<Exec> attention;
    transfusion::layer::norm<Exec> feed_forward_norm;
    transfusion::layer::feed_forward<Exec> feed_forward;

    layer(parameter_set<Exec>& set, const std::string& name, const block_shape& s)
        : attention_norm(set, name + ".attention_norm", s.width, s.norm_epsilon),
          attention(set, name + ".attention", s.width, s.heads, s.kv_heads, out_deviation(s)),
          feed_forward_norm(set, name + ".feed_forward_norm", s.width, s.norm_epsilon),
          feed_forward(set, name + ".feed_forward", s.width, s.feed_forward, out_deviation(s)) {}

    void operator()(tape<Exec>& tape, residual_stream<Exec>& x, const attention_context<Exec>& context,
                    index_t number) const {
      x.branch = attention(tape, attention_norm(tape, x), context, number);
      x.branch = feed_forward(tape, feed_forward_norm(tape, x));
    }

    /// 0.02 / sqrt(2L), as GPT-2: 2L branches add up to one residual stream.
    static double out_deviation(const block_shape& s) {
      return initial_deviation / std::sqrt(2.0 * static_cast<double>(s.layers));
    }
  };
};

}  // namespace block
}  // namespace transfusion
