// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "transfusion/autograd/op/add.hpp"
#include "transfusion/autograd/op/layer_norm.hpp"
#include "transfusion/autograd/op/rms_norm.hpp"
#include "transfusion/layer/linear.hpp"
#include "transfusion/layer/routing.hpp"

namespace transfusion {

/// The residual stream between two layers: its value is residual + branch. The sum is left to the next norm, which does
/// both in one pass. `branch` is empty before the first block.
template <class Exec>
struct residual_stream {
  var<Exec> residual, branch;

  /// The sum itself, for those who do not norm it.
  var<Exec> value(tape<Exec>& tape) {
    if (branch) *this = {add(tape, residual, branch), {}};
    return residual;
  }
};

/// How rows are brought to one size.
namespace norm {

/// x / rms(x) · w (Zhang & Sennrich 2019): Llama's. Parameter `name` [D].
struct rms {
  template <class Exec>
  struct weights {
    parameter<Exec> weight;
    double epsilon;

    weights(parameter_set<Exec>& set, const std::string& name, index_t width, double epsilon_)
        : weight(set.declare(name, {width}, initial_value::ones(), decay::off)), epsilon(epsilon_) {}

    var<Exec> operator()(tape<Exec>& tape, var<Exec> x) const { return rms_norm(tape, x, weight, epsilon); }
    added_and_normed<Exec> add(tape<Exec>& tape, var<Exec> a, var<Exec> b) const {
      return add_rms_norm(tape, a, b, weight, epsilon);
    }
  };
};

/// (x − mean) / deviation · w + b (Ba, Kiros & Hinton 2016). Parameters `name` and `name.bias` [D].
struct layer {
  template <class Exec>
  struct weights {
    parameter<Exec> weight, offset;
    double epsilon;

    weights(parameter_set<Exec>& set, const std::string& name, index_t width, double epsilon_)
        : weight(set.declare(name, {width}, initial_value::ones(), decay::off)),
          offset(set.declare(name + ".bias", {width}, initial_value::zeros(), decay::off)),
          epsilon(epsilon_) {}

    var<Exec> operator()(tape<Exec>& tape, var<Exec> x) const { return layer_norm(tape, x, weight, offset, epsilon); }
    added_and_normed<Exec> add(tape<Exec>& tape, var<Exec> a, var<Exec> b) const {
      const auto sum = transfusion::add(tape, a, b);
      return {sum, (*this)(tape, sum)};
    }
  };
};

}  // namespace norm

/// Where a block norms. A branch is attention or feed-forward.
namespace norm_place {

/// x + f(norm(x)): Llama and the paper. A norm of its own ends the trunk.
struct pre {
  static constexpr bool before = true, on_branch = false, after = false;
};
/// norm(x + f(x)): Vaswani et al. 2017. The trunk ends with the last block.
struct post {
  static constexpr bool before = false, on_branch = false, after = true;
};
/// x + norm(f(x)): Liu et al. 2022, "Swin Transformer V2", §3.2; Chameleon 34B.
struct swin {
  static constexpr bool before = false, on_branch = true, after = false;
};

}  // namespace norm_place

namespace layer {

/// The norm of a residual stream or of plain rows: one, or one for each route.
template <class Exec, class Norm = transfusion::norm::rms>
class norm {
 public:
  using weights = typename Norm::template weights<Exec>;

  norm(parameter_set<Exec>& set, const std::string& name, index_t width, double epsilon, index_t routes = 1)
      : of_route_(name, routes, [&](const std::string& own) { return weights(set, own, width, epsilon); }) {}

  /// Folds the branch into the residual and returns the normed sum.
  var<Exec> operator()(tape<Exec>& tape, residual_stream<Exec>& stream, row_routes routes = {}) const {
    if (!stream.branch || !of_route_.is_shared()) return of_route_(tape, stream.value(tape), routes);
    const auto both = of_route_[0].add(tape, stream.residual, stream.branch);
    stream = {both.sum, {}};
    return both.normed;
  }
  var<Exec> operator()(tape<Exec>& tape, var<Exec> x, row_routes routes = {}) const {
    return of_route_(tape, x, routes);
  }

 private:
  per_route<weights> of_route_;
};

}  // namespace layer
}  // namespace transfusion
