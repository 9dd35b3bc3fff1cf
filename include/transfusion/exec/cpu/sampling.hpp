// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/sample_token.hpp"
#include "transfusion/exec/cpu.hpp"

namespace transfusion {

template <class Scalar>
void cpu_exec<Scalar>::sample_tokens(view<token_t, 1> out, const_matrix logits, const text_sampling& settings,
                                     const_vector u, view<const token_t, 2> forbidden) {
  const index_t vocabulary = logits.cols();
  token_t* orders = team_.template reserve<token_t>(detail::scratch::rows, team_.threads() * vocabulary);
  double* reaches = team_.template reserve<double>(detail::scratch::values, team_.threads() * vocabulary);
  team_.run(out.size(), [&](index_t n, int thread) {
    const index_t at = thread * vocabulary;
    out[n] = sample_token(const_vector(logits.row(n), vocabulary), settings, static_cast<double>(u[n]),
                          {forbidden.row(n), forbidden.cols()}, {orders + at, reaches + at});
  });
}

}  // namespace transfusion
