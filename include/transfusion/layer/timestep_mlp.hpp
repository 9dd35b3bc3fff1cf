// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "transfusion/autograd/op/swiglu.hpp"
#include "transfusion/autograd/op/timestep_embedding.hpp"
#include "transfusion/layer/linear.hpp"

namespace transfusion::layer {

/// sinusoid(256) → linear → SiLU → linear: the embedding of a time in [0, 1], fed as t · 1000 (the paper's T steps).
/// With width D its size matches the extra parameters that the paper reports for the linear codec (Table 7).
template <class Exec>
struct timestep_mlp {
  static constexpr index_t frequencies = 256;
  static constexpr double steps = 1000;

  linear<Exec> in, out;

  timestep_mlp(parameter_set<Exec>& set, const std::string& name, index_t width, index_t output)
      : in(set, name + ".in", frequencies, width, bias::on), out(set, name + ".out", width, output, bias::on) {}

  /// times: [I] on the device, already in steps; result: [I, output].
  var<Exec> operator()(tape<Exec>& tape, view<const typename Exec::real, 1> times) const {
    return out(tape, silu(tape, in(tape, timestep_embedding(tape, times, frequencies))));
  }
};

}  // namespace transfusion::layer
