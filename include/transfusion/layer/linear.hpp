// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "transfusion/autograd/op/linear.hpp"

namespace transfusion {

/// The standard deviation that weights start with, unless a layer says otherwise.
inline constexpr double initial_deviation = 0.02;

/// Whether a linear layer has a bias.
enum class bias { off, on };

namespace layer {

/// y = x wᵀ (+ b). Parameters `name.weight` [out, in] and `name.bias` [out].
template <class Exec>
struct linear {
  parameter<Exec> weight, offset;

  linear(parameter_set<Exec>& set, const std::string& name, index_t in, index_t out, bias b,
         initial_value start = initial_value::normal(initial_deviation),
         initial_value bias_start = initial_value::zeros())
      : weight(set.declare(name + ".weight", {out, in}, start)) {
    if (b == bias::on) offset = set.declare(name + ".bias", {out}, bias_start, decay::off);
  }

  var<Exec> operator()(tape<Exec>& tape, var<Exec> x) const { return transfusion::linear(tape, x, weight, offset); }
};

}  // namespace layer
}  // namespace transfusion
