// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "transfusion/autograd/op/add.hpp"
#include "transfusion/autograd/op/multiply.hpp"
#include "transfusion/autograd/op/rows.hpp"
#include "transfusion/layer/attention.hpp"
#include "transfusion/layer/linear.hpp"

namespace transfusion::layer {

/// One vector for each image, a linear function of the condition that starts as the constant `start`: condition [I, D]
/// to a row for each patch [P, D].
template <class Exec>
struct image_vector {
  linear<Exec> of_condition;

  image_vector(parameter_set<Exec>& set, const std::string& name, index_t width, initial_value start)
      : of_condition(set, name, width, width, bias::on, initial_value::zeros(), start) {}

  var<Exec> operator()(tape<Exec>& tape, const attention_context<Exec>& context) const {
    return gather_rows(tape, of_condition(tape, context.condition), context.patch_image);
  }
};

/// γ(c) · x + β(c) on the rows of patches, the others as they are: AdaLN after the norm (Peebles & Xie 2023, §3.2).
/// Starts as γ = 1, β = 0. Parameters `name_scale`, `name_shift`, each .weight [D, D] and .bias [D].
template <class Exec>
struct modulated {
  image_vector<Exec> scale, shift;

  modulated(parameter_set<Exec>& set, const std::string& name, index_t width)
      : scale(set, name + "_scale", width, initial_value::ones()),
        shift(set, name + "_shift", width, initial_value::zeros()) {}

  var<Exec> operator()(tape<Exec>& tape, var<Exec> x, const attention_context<Exec>& context) const {
    if (context.patch_rows.size() == 0) return x;
    const auto patches = multiply(tape, gather_rows(tape, x, context.patch_rows), scale(tape, context));
    return scatter_rows(tape, x, add(tape, patches, shift(tape, context)), context.patch_rows);
  }
};

/// α(c) · x on the rows of patches. Starts as α = 0: a new block leaves an image's rows alone. Parameters `name_gate`.
template <class Exec>
struct gated {
  image_vector<Exec> gate;

  gated(parameter_set<Exec>& set, const std::string& name, index_t width)
      : gate(set, name + "_gate", width, initial_value::zeros()) {}

  var<Exec> operator()(tape<Exec>& tape, var<Exec> x, const attention_context<Exec>& context) const {
    if (context.patch_rows.size() == 0) return x;
    const auto patches = multiply(tape, gather_rows(tape, x, context.patch_rows), gate(tape, context));
    return scatter_rows(tape, x, patches, context.patch_rows);
  }
};

/// Stands where nothing is modulated or gated.
template <class Exec>
struct unchanged {
  unchanged(parameter_set<Exec>&, const std::string&, index_t) {}
  var<Exec> operator()(tape<Exec>&, var<Exec> x, const attention_context<Exec>&) const { return x; }
};

}  // namespace transfusion::layer
