// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/arrays.hpp"
#include "transfusion/exec/cpu/elementwise.hpp"

namespace transfusion {

template <class Scalar>
void cpu_exec<Scalar>::sum_of_squares(vector out, const_vector x) {
  const index_t piece = detail::cpu_team::piece_elements, pieces = (x.size() + piece - 1) / piece;
  double* sums = team_.reserve<double>(detail::scratch::partial, pieces);
  team_.run(pieces, [&](index_t i, int) {
    sums[i] = 0;
    detail::each_strip(i * piece, std::min(x.size(), (i + 1) * piece), [&](index_t at, index_t count) {
      sums[i] += static_cast<double>(detail::array(x.data + at, count).square().sum());
    });
  });
  double total = 0;
  for (index_t i = 0; i < pieces; ++i) total += sums[i];
  out[0] = static_cast<Scalar>(total);
}

template <class Scalar>
void cpu_exec<Scalar>::adamw(vector w, vector m, vector v, vector ema, const_vector g, const_vector norm_squared,
                             adamw_step s) {
  const double norm = std::sqrt(static_cast<double>(norm_squared[0]));
  const double clip = s.max_norm > 0 && norm > s.max_norm ? s.max_norm / norm : 1.0;
  // All that does not depend on the element is worked out in double and rounded once.
  const Scalar beta1 = static_cast<Scalar>(s.beta1), fresh1 = static_cast<Scalar>((1 - s.beta1) * clip);
  const Scalar beta2 = static_cast<Scalar>(s.beta2), fresh2 = static_cast<Scalar>((1 - s.beta2) * clip * clip);
  const Scalar keep = static_cast<Scalar>(1 - s.rate * s.weight_decay),
               rate = static_cast<Scalar>(s.rate / s.correction1);
  const Scalar root = static_cast<Scalar>(1 / std::sqrt(s.correction2)), epsilon = static_cast<Scalar>(s.epsilon);
  const Scalar decay = static_cast<Scalar>(s.ema_decay), fresh = static_cast<Scalar>(1 - s.ema_decay);
  team_.run_pieces(w.size(), 4, [&](index_t first, index_t last) {
    detail::each_strip(first, last, [&](index_t at, index_t count) {
      const auto gradient = detail::array(g.data + at, count);
      auto weight = detail::array(w.data + at, count), mean = detail::array(m.data + at, count);
      auto square = detail::array(v.data + at, count);
      mean = beta1 * mean + fresh1 * gradient;
      square = beta2 * square + fresh2 * gradient.square();
      weight = keep * weight - rate * mean / (square.sqrt() * root + epsilon);
      if (ema) detail::array(ema.data + at, count) = decay * detail::array(ema.data + at, count) + fresh * weight;
    });
  });
}

}  // namespace transfusion
