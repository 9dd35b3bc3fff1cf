// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "transfusion/autograd/op/linear.hpp"
#include "transfusion/autograd/op/swiglu.hpp"
#include "transfusion/layer/linear.hpp"

namespace transfusion::layer {

/// w2 (silu(w1 x) · w3 x), no biases (Llama). Parameters `name.w1`, `.w3` [F, D], `.w2` [D, F].
template <class Exec>
struct feed_forward {
  parameter<Exec> w1, w2, w3;

  feed_forward(parameter_set<Exec>& set, const std::string& name, index_t width, index_t hidden, double out_deviation) {
    w1 = set.declare(name + ".w1", {hidden, width}, initial_value::normal(initial_deviation));
    w3 = set.declare(name + ".w3", {hidden, width}, initial_value::normal(initial_deviation));
    w2 = set.declare(name + ".w2", {width, hidden}, initial_value::normal(out_deviation));
  }

  var<Exec> operator()(tape<Exec>& tape, var<Exec> x) const {
    auto gated = swiglu(tape, transfusion::linear(tape, x, w1), transfusion::linear(tape, x, w3));
    return transfusion::linear(tape, gated, w2);
  }
};

}  // namespace transfusion::layer
