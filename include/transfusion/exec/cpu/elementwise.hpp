// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/lanes.hpp"

namespace transfusion {

template <class Scalar>
void cpu_exec<Scalar>::swiglu(matrix y, const_matrix gate, const_matrix up) {
  team_.run_pieces(y.size(), 2, [&](index_t begin, index_t end) {
    detail::transform(
        end - begin, y.data + begin, [](auto g, auto u) { return g * u * detail::sigmoid<Scalar>(g); },
        gate.data + begin, up.data + begin);
  });
}

template <class Scalar>
void cpu_exec<Scalar>::swiglu_backward(sink dgate, sink dup, const_matrix dy, const_matrix gate, const_matrix up) {
  const auto one = detail::all(Scalar{1});
  const auto gate_gradient = [&](auto d, auto g, auto u) {
    const auto s = detail::sigmoid<Scalar>(g);
    return d * u * s * (one + g * (one - s));
  };
  const auto up_gradient = [](auto d, auto g) { return d * g * detail::sigmoid<Scalar>(g); };
  team_.run_pieces(dy.size(), 4, [&](index_t begin, index_t end) {
    const Scalar *d = dy.data + begin, *g = gate.data + begin, *u = up.data + begin;
    if (dgate) detail::emit(dgate.add, end - begin, dgate.into.data + begin, gate_gradient, d, g, u);
    if (dup) detail::emit(dup.add, end - begin, dup.into.data + begin, up_gradient, d, g);
  });
}

template <class Scalar>
void cpu_exec<Scalar>::silu(matrix y, const_matrix x) {
  team_.run_pieces(y.size(), 2, [&](index_t begin, index_t end) {
    detail::transform(
        end - begin, y.data + begin, [](auto v) { return v * detail::sigmoid<Scalar>(v); }, x.data + begin);
  });
}

template <class Scalar>
void cpu_exec<Scalar>::silu_backward(sink dx, const_matrix dy, const_matrix x) {
  const auto one = detail::all(Scalar{1});
  const auto gradient = [&](auto d, auto v) {
    const auto s = detail::sigmoid<Scalar>(v);
    return d * s * (one + v * (one - s));
  };
  team_.run_pieces(dy.size(), 2, [&](index_t begin, index_t end) {
    detail::emit(dx.add, end - begin, dx.into.data + begin, gradient, dy.data + begin, x.data + begin);
  });
}

template <class Scalar>
void cpu_exec<Scalar>::add(matrix y, const_matrix a, const_matrix b) {
  team_.run_pieces(y.size(), 1, [&](index_t begin, index_t end) {
    detail::transform(
        end - begin, y.data + begin, [](auto u, auto v) { return u + v; }, a.data + begin, b.data + begin);
  });
}

template <class Scalar>
void cpu_exec<Scalar>::accumulate(sink dx, const_matrix x) {
  team_.run_pieces(x.size(), 1, [&](index_t begin, index_t end) {
    detail::emit(
        dx.add, end - begin, dx.into.data + begin, [](auto v) { return v; }, x.data + begin);
  });
}

template <class Scalar>
void cpu_exec<Scalar>::timestep_embedding(matrix y, const_vector t, double max_period) {
  const index_t half = y.cols() / 2;
  constexpr index_t cost = 32;  // a power, a sine and a cosine, against a simple element
  team_.run_pieces(y.rows(), y.cols() * cost, [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i)
      for (index_t k = 0; k < half; ++k) {
        const double rate = std::pow(max_period, -static_cast<double>(k) / static_cast<double>(half));
        y(i, k) = static_cast<Scalar>(std::cos(static_cast<double>(t[i]) * rate));
        y(i, half + k) = static_cast<Scalar>(std::sin(static_cast<double>(t[i]) * rate));
      }
  });
}

}  // namespace transfusion
