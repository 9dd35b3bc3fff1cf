// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/arrays.hpp"

namespace transfusion {
namespace detail {

/// Calls f(j) for every key that row n sees, each once, in rising order within an interval.
template <class F>
void each_visible(key_intervals keys, index_t n, const F& f) {
  for (index_t j = keys(n, 0).begin; j < keys(n, 0).end; ++j) f(j);
  if (keys.cols() == 2)
    for (index_t j = keys(n, 1).begin; j < keys(n, 1).end; ++j)
      if (!keys(n, 0).contains(j)) f(j);
}

}  // namespace detail

template <class Scalar>
void cpu_exec<Scalar>::attention(matrix o, matrix lse, const_matrix q, const_matrix k, const_matrix v,
                                 key_intervals keys, attention_shape shape) {
  const index_t width = shape.head_width, share = shape.heads / shape.kv_heads;
  const Scalar scale = static_cast<Scalar>(shape.scale);
  Scalar* scores = team_.reserve<Scalar>(detail::scratch::tiles, team_.threads() * k.rows());
  team_.run(q.rows(), [&](index_t n, int thread) {
    Scalar* p = scores + thread * k.rows();
    for (index_t h = 0; h < shape.heads; ++h) {
      const index_t g = h / share;
      auto out = detail::array(o.row(n) + h * width, width);
      Scalar top = -std::numeric_limits<Scalar>::infinity(), sum = 0;
      detail::each_visible(keys, n, [&](index_t j) {
        p[j] = scale * (detail::array(q.row(n) + h * width, width) * detail::array(k.row(j) + g * width, width)).sum();
        top = std::max(top, p[j]);
      });
      out.setZero();
      detail::each_visible(keys, n, [&](index_t j) {
        const Scalar e = std::exp(p[j] - top);
        sum += e;
        out += e * detail::array(v.row(j) + g * width, width);
      });
      lse(n, h) = top + std::log(sum);
      if (sum > 0)
        out *= 1 / sum;
      else
        lse(n, h) = -std::numeric_limits<Scalar>::infinity();
    }
  });
}

}  // namespace transfusion
