// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <type_traits>

#include "transfusion/autograd/op/dropout.hpp"
#include "transfusion/layer/attention.hpp"
#include "transfusion/layer/block_shape.hpp"
#include "transfusion/layer/feed_forward.hpp"
#include "transfusion/layer/modulation.hpp"
#include "transfusion/layer/norm.hpp"
#include "transfusion/layer/routing.hpp"
#include "transfusion/layer/timestep.hpp"

namespace transfusion {

/// All that the type of a block depends on, so that variants which differ elsewhere share one. The paper's by default.
template <class Norm = norm::rms, class NormPlace = norm_place::pre, class QkNorm = qk_norm::off,
          class FeedForward = feed_forward::swiglu, bool Modulates = false>
struct block_parts {
  using norm = Norm;
  using norm_place = NormPlace;
  using qk_norm = QkNorm;
  using feed_forward = FeedForward;
  static constexpr bool modulates = Modulates;  ///< whether the timestep scales, shifts and gates an image's rows
};

namespace block {

/// x += attention(norm(x)); x += feed_forward(norm(x)): the Llama block with the default parts (Touvron et al. 2023;
/// paper §3).
struct transformer {
  template <class Exec, class Parts = block_parts<>>
  class layer {
   public:
    layer(parameter_set<Exec>& set, const std::string& name, const block_shape& s)
        : attention_norm_(set, name + ".attention_norm", s.width, s.norm_epsilon, s.routes_if(s.separate.rest)),
          attention_(set, name + ".attention", s),
          feed_forward_norm_(set, name + ".feed_forward_norm", s.width, s.norm_epsilon, s.routes_if(s.separate.rest)),
          feed_forward_(name + ".feed_forward", s.routes_if(s.separate.feed_forward),
                        [&](const std::string& own) {
                          return feed_forward(set, own, s.width, s.feed_forward, s.out_deviation());
                        }),
          attention_time_(set, "time." + name + ".attention", s.width),
          feed_forward_time_(set, "time." + name + ".feed_forward", s.width),
          dropout_(s.dropout) {}

    void operator()(tape<Exec>& tape, residual_stream<Exec>& x, const attention_context<Exec>& context,
                    index_t number) const {
      add_branch(tape, x, context, 2 * number, attention_norm_, attention_time_,
                 [&](var<Exec> u) { return attention_(tape, u, context, number); });
      add_branch(tape, x, context, 2 * number + 1, feed_forward_norm_, feed_forward_time_,
                 [&](var<Exec> u) { return feed_forward_(tape, u, context.routes); });
    }

   private:
    using place = typename Parts::norm_place;
    using norm_layer = transfusion::layer::norm<Exec, typename Parts::norm>;
    using feed_forward = typename Parts::feed_forward::template weights<Exec>;

    /// What the timestep does to a branch.
    struct time_of_branch {
      template <template <class> class Modulated>
      using if_modulates = std::conditional_t<Parts::modulates, Modulated<Exec>, transfusion::layer::unchanged<Exec>>;

      if_modulates<transfusion::layer::modulated> modulate;
      if_modulates<transfusion::layer::gated> gate;

      time_of_branch(parameter_set<Exec>& set, const std::string& name, index_t width)
          : modulate(set, name, width), gate(set, name, width) {}
    };

    /// x + f(x), normed where the variant says.
    template <class F>
    void add_branch(tape<Exec>& tape, residual_stream<Exec>& x, const attention_context<Exec>& context, index_t branch,
                    const norm_layer& norm, const time_of_branch& time, F f) const {
      auto u = x.residual;
      if constexpr (place::before)
        u = norm(tape, x, context.routes);
      else
        u = x.value(tape);
      auto y = dropped(tape, f(time.modulate(tape, u, context)), context.dropout, branch);
      if constexpr (place::on_branch) y = norm(tape, y, context.routes);
      x.branch = time.gate(tape, y, context);
      if constexpr (place::after) x = {norm(tape, x, context.routes), {}};
    }

    /// Each branch of a step has 2^40 numbers of the key to itself: row after row of the whole step.
    var<Exec> dropped(tape<Exec>& tape, var<Exec> y, const dropout_draw& draw, index_t branch) const {
      if (dropout_ == 0 || !draw.on) return y;
      return dropout(tape, y, draw.key, dropout_, (branch << 40) + draw.first_row * y.cols());
    }

    norm_layer attention_norm_;
    transfusion::layer::attention<Exec, typename Parts::qk_norm, typename Parts::norm> attention_;
    norm_layer feed_forward_norm_;
    transfusion::layer::per_route<feed_forward> feed_forward_;
    time_of_branch attention_time_, feed_forward_time_;
    double dropout_;
  };
};

}  // namespace block
}  // namespace transfusion
