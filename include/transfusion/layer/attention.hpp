// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <string>

#include "transfusion/autograd/op/attention.hpp"
#include "transfusion/autograd/op/linear.hpp"
#include "transfusion/autograd/op/reshape.hpp"
#include "transfusion/autograd/op/rope.hpp"
#include "transfusion/core/philox.hpp"
#include "transfusion/layer/block_shape.hpp"
#include "transfusion/layer/linear.hpp"
#include "transfusion/layer/norm.hpp"
#include "transfusion/layer/routing.hpp"

namespace transfusion {

/// Keys and values of one layer kept for later rows. [slots, G·C] each.
template <class Exec>
struct layer_cache {
  view<typename Exec::scalar, 2> keys, values;
};

/// What a training step leaves out at random: a pure function of the key, the layer, and the row's number in the step.
struct dropout_draw {
  bool on = false;
  random_key key{};
  index_t first_row = 0;  ///< rows of the step before this pass
};

/// What every layer of a forward pass shares. All on the device, but for the list `routes`.
template <class Exec>
struct attention_context {
  key_intervals keys;                           ///< [N, 1 or 2], over the rows of the batch, or over the cache's slots
  view<const typename Exec::real, 2> rotation;  ///< [N, C], from exec.rope_table
  const layer_cache<Exec>* caches = nullptr;    ///< one a layer, or null: no cache
  view<const token_t, 1> slots{};               ///< [N]; where the cache keeps each row
  row_routes routes{};                          ///< rows of text, then of each modality; empty where nothing is routed
  var<Exec> condition{};                 ///< [I, D], what timestep::adaln_zero modulates by; empty without images
  view<const token_t, 1> patch_rows{};   ///< [P]; the rows that it modulates, of all modalities
  view<const token_t, 1> patch_image{};  ///< [P]; the row of the condition for each
  dropout_draw dropout{};
};

/// Whether queries and keys are normed over the head width before they are turned, so that no weight can make the
/// logits large (Dehghani et al. 2023, §2; Chameleon). Parameters `name.q_norm`, `name.k_norm` [C].
namespace qk_norm {

/// Queries and keys as the projections give them: Llama.
struct off {
  template <class Exec, class Norm>
  struct layer {
    layer(parameter_set<Exec>&, const std::string&, index_t, double) {}
    var<Exec> operator()(tape<Exec>&, var<Exec> x, index_t) const { return x; }
  };
};

/// Normed by the block's kind of norm, head by head.
struct on {
  template <class Exec, class Norm>
  struct layer {
    typename Norm::template weights<Exec> norm;

    layer(parameter_set<Exec>& set, const std::string& name, index_t head_width, double epsilon)
        : norm(set, name, head_width, epsilon) {}

    /// x: [N, heads·C].
    var<Exec> operator()(tape<Exec>& tape, var<Exec> x, index_t heads) const {
      return reshape(tape, norm(tape, reshape(tape, x, x.rows() * heads)), x.rows());
    }
  };
};

}  // namespace qk_norm

namespace layer {

/// Multi-head attention with rotary positions, no biases (Llama). Parameters `name.wq`, `.wk`, `.wv`, `.wo`.
template <class Exec, class QkNorm = transfusion::qk_norm::off, class Norm = transfusion::norm::rms>
class attention {
 public:
  attention(parameter_set<Exec>& set, const std::string& name, index_t width, index_t heads, index_t kv_heads,
            double out_deviation)
      : attention(set, name, {.width = width, .heads = heads, .kv_heads = kv_heads}, out_deviation) {}

  attention(parameter_set<Exec>& set, const std::string& name, const block_shape& s)
      : attention(set, name, s, s.out_deviation()) {}

  /// x: [N, D], normed; result: [N, D].
  var<Exec> operator()(tape<Exec>& tape, var<Exec> x, const attention_context<Exec>& context,
                       index_t layer_number) const {
    const auto parts = split_rows(tape, x, project_.routes(context.routes));
    auto q = each_route(tape, parts, [&](const auto& part) {
      return q_norm_[part.route](tape, transfusion::linear(tape, part.x, project_[part.route].wq), shape_.heads);
    });
    auto k = each_route(tape, parts, [&](const auto& part) {
      return k_norm_[part.route](tape, transfusion::linear(tape, part.x, project_[part.route].wk), shape_.kv_heads);
    });
    auto v = each_route(tape, parts,
                        [&](const auto& part) { return transfusion::linear(tape, part.x, project_[part.route].wv); });
    rope(tape, q, context.rotation);
    rope(tape, k, context.rotation);
    if (context.caches) {
      const layer_cache<Exec>& cache = context.caches[layer_number];
      tape.exec().write_rows(cache.keys, k.value(), context.slots);
      tape.exec().write_rows(cache.values, v.value(), context.slots);
      k = tape.constant(cache.keys);
      v = tape.constant(cache.values);
    }
    return out_(tape, transfusion::attention(tape, q, k, v, context.keys, shape_), context.routes);
  }

 private:
  struct projections {
    parameter<Exec> wq, wk, wv;
  };
  struct projection {
    parameter<Exec> w;
    var<Exec> operator()(tape<Exec>& tape, var<Exec> x) const { return transfusion::linear(tape, x, w); }
  };
  using head_norm = typename QkNorm::template layer<Exec, Norm>;

  attention(parameter_set<Exec>& set, const std::string& name, const block_shape& s, double out_deviation)
      : shape_{s.heads, s.kv_heads, s.width / s.heads, 1.0 / std::sqrt(static_cast<double>(s.width / s.heads))},
        project_(name, s.routes_if(s.separate.qkv),
                 [&](const std::string& own) {
                   const auto start = initial_value::normal(initial_deviation);
                   const index_t queries = s.heads * shape_.head_width, keys = s.kv_heads * shape_.head_width;
                   // Declared one after another: braces keep that order.
                   return projections{set.declare(own + ".wq", {queries, s.width}, start),
                                      set.declare(own + ".wk", {keys, s.width}, start),
                                      set.declare(own + ".wv", {keys, s.width}, start)};
                 }),
        out_(name + ".wo", s.routes_if(s.separate.rest),
             [&](const std::string& own) {
               return projection{
                   set.declare(own, {s.width, s.heads * shape_.head_width}, initial_value::normal(out_deviation))};
             }),
        q_norm_(head_norms(set, name + ".q_norm", s)),
        k_norm_(head_norms(set, name + ".k_norm", s)) {}

  static per_route<head_norm> head_norms(parameter_set<Exec>& set, const std::string& name, const block_shape& s) {
    return {name, s.routes_if(s.separate.rest),
            [&](const std::string& own) { return head_norm(set, own, s.width / s.heads, s.norm_epsilon); }};
  }

  attention_shape shape_;
  per_route<projections> project_;
  per_route<projection> out_;
  per_route<head_norm> q_norm_, k_norm_;
};

}  // namespace layer
}  // namespace transfusion
