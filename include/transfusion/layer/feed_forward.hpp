// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "transfusion/autograd/op/gelu.hpp"
#include "transfusion/autograd/op/linear.hpp"
#include "transfusion/autograd/op/swiglu.hpp"
#include "transfusion/layer/linear.hpp"

namespace transfusion {

/// What a block does row by row, between its attentions.
namespace feed_forward {

/// w2 (silu(w1 x) · w3 x), no biases (Shazeer 2020; Llama). Parameters `name.w1`, `.w3` [F, D], `.w2` [D, F].
struct swiglu {
  /// Llama's width F: 8D/3, rounded up to a multiple of 256 (of 32 below width 384).
  static constexpr index_t hidden(index_t width) {
    const index_t multiple = width < 384 ? 32 : 256;
    return (8 * width / 3 + multiple - 1) / multiple * multiple;
  }

  template <class Exec>
  struct weights {
    parameter<Exec> w1, w2, w3;

    weights(parameter_set<Exec>& set, const std::string& name, index_t width, index_t hidden, double out_deviation) {
      w1 = set.declare(name + ".w1", {hidden, width}, initial_value::normal(initial_deviation));
      w3 = set.declare(name + ".w3", {hidden, width}, initial_value::normal(initial_deviation));
      w2 = set.declare(name + ".w2", {width, hidden}, initial_value::normal(out_deviation));
    }

    var<Exec> operator()(tape<Exec>& tape, var<Exec> x) const {
      auto gated = transfusion::swiglu(tape, transfusion::linear(tape, x, w1), transfusion::linear(tape, x, w3));
      return transfusion::linear(tape, gated, w2);
    }
  };
};

/// w2 gelu(w1 x), no biases (Hendrycks & Gimpel 2016; GPT-2). Parameters `name.w1` [F, D], `.w2` [D, F].
struct gelu {
  /// GPT-2's width F, 4D: as many weights as SwiGLU has at 8D/3.
  static constexpr index_t hidden(index_t width) { return 4 * width; }

  template <class Exec>
  struct weights {
    parameter<Exec> w1, w2;

    weights(parameter_set<Exec>& set, const std::string& name, index_t width, index_t hidden, double out_deviation) {
      w1 = set.declare(name + ".w1", {hidden, width}, initial_value::normal(initial_deviation));
      w2 = set.declare(name + ".w2", {width, hidden}, initial_value::normal(out_deviation));
    }

    var<Exec> operator()(tape<Exec>& tape, var<Exec> x) const {
      return transfusion::linear(tape, transfusion::gelu(tape, transfusion::linear(tape, x, w1)), w2);
    }
  };
};

}  // namespace feed_forward

namespace layer {

/// One feed-forward, for blocks of one's own.
template <class Exec, class FeedForward = transfusion::feed_forward::swiglu>
using feed_forward = typename FeedForward::template weights<Exec>;

}  // namespace layer
}  // namespace transfusion
