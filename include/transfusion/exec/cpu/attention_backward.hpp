// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/attention.hpp"

namespace transfusion {

template <class Scalar>
void cpu_exec<Scalar>::attention_backward(sink dq, sink dk, sink dv, const_matrix d_o, const_matrix o, const_matrix lse,
                                          const_matrix q, const_matrix k, const_matrix v, key_intervals keys,
                                          attention_shape shape) {
  const index_t width = shape.head_width, share = shape.heads / shape.kv_heads;
  const Scalar scale = static_cast<Scalar>(shape.scale);
  for (const sink& s : {dq, dk, dv})
    if (s && !s.add) fill(s.into.flat(), 0);
  team_.run(shape.kv_heads, [&](index_t g, int) {
    for (index_t n = 0; n < q.rows(); ++n)
      for (index_t h = g * share; h < (g + 1) * share; ++h) {
        const auto query = detail::array(q.row(n) + h * width, width),
                   dout = detail::array(d_o.row(n) + h * width, width);
        const Scalar delta = (dout * detail::array(o.row(n) + h * width, width)).sum();
        detail::each_visible(keys, n, [&](index_t j) {
          const auto key = detail::array(k.row(j) + g * width, width),
                     value = detail::array(v.row(j) + g * width, width);
          const Scalar p = std::exp(scale * (query * key).sum() - lse(n, h));
          const Scalar ds = scale * p * ((dout * value).sum() - delta);
          if (dq) detail::array(dq.into.row(n) + h * width, width) += ds * key;
          if (dk) detail::array(dk.into.row(j) + g * width, width) += ds * query;
          if (dv) detail::array(dv.into.row(j) + g * width, width) += p * dout;
        });
      }
  });
}

}  // namespace transfusion
