// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"
#include "transfusion/exec/concepts.hpp"

namespace transfusion {

/// o = softmax(scale · q kᵀ) v over the keys that each row may see (paper §3, "Transfusion Attention").
/// q, o: [N, H·C]; k, v: [K, G·C]; keys: [N, 1 or 2] intervals of [0, K). A row that sees nothing gives 0.
template <class Exec>
var<Exec> attention(tape<Exec>& tape, var<Exec> q, var<Exec> k, var<Exec> v, key_intervals keys,
                    attention_shape shape) {
  require_extent("attention: width of the queries", q.cols(), shape.heads * shape.head_width);
  require_extent("attention: width of the keys", k.cols(), shape.kv_heads * shape.head_width);
  require_extent("attention: rows of the key intervals", keys.rows(), q.rows());
  auto o = tape.variable(q.rows(), q.cols());
  auto lse = tape.saved_real(q.rows(), shape.heads);
  tape.exec().attention(o.value(), lse, q.value(), k.value(), v.value(), keys, shape);
  tape.on_backward([=](auto& t) {
    const auto backward = [&](auto dq, auto dk, auto dv) {
      t.exec().attention_backward(dq, dk, dv, t.gradient(o), o.value(), lse, q.value(), k.value(), v.value(), keys,
                                  shape);
    };
    if (q.node() != k.node() && q.node() != v.node() && k.node() != v.node())
      return backward(t.sink(q), t.sink(k), t.sink(v));
    // A policy writes three different gradients: those of one variable are worked out apart.
    using sink = gradient_sink<typename Exec::scalar>;
    const auto apart = [&](var<Exec> x) { return sink{t.saved(x.rows(), x.cols()), false}; };
    const sink dq = apart(q), dk = apart(k), dv = apart(v);
    backward(dq, dk, dv);
    const auto deliver = [&](var<Exec> x, const sink& dx) {
      if (const auto to = t.sink(x)) t.exec().accumulate(to, dx.into);
    };
    deliver(q, dq);
    deliver(k, dk);
    deliver(v, dv);
  });
  return o;
}

}  // namespace transfusion
