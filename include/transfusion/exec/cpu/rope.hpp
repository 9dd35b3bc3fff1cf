// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <complex>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/lanes.hpp"

namespace transfusion {

template <class Scalar>
void cpu_exec<Scalar>::rope_table(matrix table, view<const token_t, 2> positions, double theta) {
  const index_t pairs = table.cols() / 2, axes = positions.cols();
  double* frequency = team_.reserve<double>(detail::scratch::table, pairs);
  for (index_t i = 0; i < pairs; ++i)
    frequency[i] = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(table.cols()));
  constexpr index_t cost = 16;  // a sine and a cosine, against a simple element
  team_.run_pieces(table.rows(), table.cols() * cost, [&](index_t begin, index_t end) {
    for (index_t n = begin; n < end; ++n)
      for (index_t i = 0; i < pairs; ++i) {
        const double angle = positions(n, i % axes) * frequency[i];
        table(n, 2 * i) = static_cast<Scalar>(std::cos(angle));
        table(n, 2 * i + 1) = static_cast<Scalar>(std::sin(angle));
      }
  });
}

template <class Scalar>
void cpu_exec<Scalar>::rope(matrix x, const_matrix table, double direction) {
  // A pair is a complex number, and the rotation a product with cos + i sin.
  using complex = std::complex<Scalar>;
  const index_t pairs = table.cols() / 2;
  const auto forth = [](auto v, auto by) { return Eigen::internal::pmul(v, by); };
  const auto back = [](auto v, auto by) { return Eigen::internal::pmul(v, Eigen::internal::pconj(by)); };
  team_.run_pieces(x.rows(), x.cols(), [&](index_t begin, index_t end) {
    for (index_t n = begin; n < end; ++n)
      for (index_t c = 0; c < x.cols(); c += table.cols()) {
        auto* head = reinterpret_cast<complex*>(x.row(n) + c);
        const auto* in = static_cast<const complex*>(head);
        const auto* angles = reinterpret_cast<const complex*>(table.row(n));
        if (direction > 0)
          detail::transform(pairs, head, forth, in, angles);
        else
          detail::transform(pairs, head, back, in, angles);
      }
  });
}

}  // namespace transfusion
