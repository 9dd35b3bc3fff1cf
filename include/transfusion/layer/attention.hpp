// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <string>

#include "transfusion/autograd/op/attention.hpp"
#include "transfusion/autograd/op/linear.hpp"
#include "transfusion/autograd/op/rope.hpp"
#include "transfusion/layer/linear.hpp"

namespace transfusion {

/// Keys and values of one layer kept for later rows. [slots, G·C] each.
template <class Exec>
struct layer_cache {
  view<typename Exec::scalar, 2> keys, values;
};

/// What every attention layer of a forward pass shares. All on the device.
template <class Exec>
struct attention_context {
  key_intervals keys;                           ///< [N, 1 or 2], over the rows of the batch, or over the cache's slots
  view<const typename Exec::real, 2> rotation;  ///< [N, C], from exec.rope_table
  const layer_cache<Exec>* caches = nullptr;    ///< one a layer, or null: no cache
  view<const token_t, 1> slots;                 ///< [N]; where the cache keeps each row
};

namespace layer {

/// Multi-head attention with rotary positions, no biases (Llama). Parameters `name.wq`, `.wk`, `.wv`, `.wo`.
template <class Exec>
struct attention {
  parameter<Exec> wq, wk, wv, wo;
  attention_shape shape;

  attention(parameter_set<Exec>& set, const std::string& name, index_t width, index_t heads, index_t kv_heads,
            double out_deviation)
      : shape{heads, kv_heads, width / heads, 1.0 / std::sqrt(static_cast<double>(width / heads))} {
    const auto start = initial_value::normal(initial_deviation);
    wq = set.declare(name + ".wq", {heads * shape.head_width, width}, start);
    wk = set.declare(name + ".wk", {kv_heads * shape.head_width, width}, start);
    wv = set.declare(name + ".wv", {kv_heads * shape.head_width, width}, start);
    wo = set.declare(name + ".wo", {width, heads * shape.head_width}, initial_value::normal(out_deviation));
  }

  var<Exec> operator()(tape<Exec>& tape, var<Exec> x, const attention_context<Exec>& context,
                       index_t layer_number) const {
    auto q = transfusion::linear(tape, x, wq);
    auto k = transfusion::linear(tape, x, wk);
    auto v = transfusion::linear(tape, x, wv);
    rope(tape, q, context.rotation);
    rope(tape, k, context.rotation);
    if (context.caches) {
      const layer_cache<Exec>& cache = context.caches[layer_number];
      tape.exec().write_rows(cache.keys, k.value(), context.slots);
      tape.exec().write_rows(cache.values, v.value(), context.slots);
      k = tape.constant(cache.keys);
      v = tape.constant(cache.values);
    }
    auto o = transfusion::attention(tape, q, k, v, context.keys, shape);
    return transfusion::linear(tape, o, wo);
  }
};

}  // namespace layer
}  // namespace transfusion
