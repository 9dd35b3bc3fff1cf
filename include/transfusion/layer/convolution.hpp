// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "transfusion/autograd/op/convolution.hpp"
#include "transfusion/core/convolution_tables.hpp"

namespace transfusion {

namespace layer {

/// A convolution over grids of any rank. Parameters `name.weight` [out, K, in] and `name.bias` [out], K taps. Weights
/// start so that the size of what passes is kept.
template <class Exec>
struct convolution {
  parameter<Exec> weight, offset;

  convolution(parameter_set<Exec>& set, const std::string& name, index_t taps, index_t in, index_t out)
      : convolution(set, name, taps, in, out, initial_value::keeping_size(taps * in)) {}

  convolution(parameter_set<Exec>& set, const std::string& name, index_t taps, index_t in, index_t out,
              initial_value start)
      : weight(set.declare(name + ".weight", {out, taps, in}, start)),
        offset(set.declare(name + ".bias", {out}, initial_value::zeros(), decay::off)) {}

  /// x: [N, in]; result: [M, out].
  var<Exec> operator()(tape<Exec>& tape, var<Exec> x, const convolution_tables& tables) const {
    return transfusion::convolution(tape, x, weight, offset, tables.taps, tables.reverse);
  }
};

}  // namespace layer
}  // namespace transfusion
