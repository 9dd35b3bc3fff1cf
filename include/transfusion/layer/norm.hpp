// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "transfusion/autograd/op/rms_norm.hpp"
#include "transfusion/layer/linear.hpp"

namespace transfusion {

/// The residual stream between two layers: its value is residual + branch. The sum is left to the next norm, which does
/// both in one pass. `branch` is empty before the first block.
template <class Exec>
struct residual_stream {
  var<Exec> residual, branch;
};

namespace layer {

/// RMSNorm of a residual stream. Parameter `name` [D].
template <class Exec>
struct norm {
  parameter<Exec> weight;
  double epsilon;

  norm(parameter_set<Exec>& set, const std::string& name, index_t width, double epsilon_)
      : weight(set.declare(name, {width}, initial_value::ones(), decay::off)), epsilon(epsilon_) {}

  /// Folds the branch into the residual and returns the normed sum.
  var<Exec> operator()(tape<Exec>& tape, residual_stream<Exec>& stream) const {
    if (!stream.branch) return rms_norm(tape, stream.residual, weight, epsilon);
    const auto both = add_rms_norm(tape, stream.residual, stream.branch, weight, epsilon);
    stream = {both.sum, {}};
    return both.normed;
  }
};

}  // namespace layer
}  // namespace transfusion
