// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
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
  const auto gate_gradient = [&](auto d, auto g, auto u, auto s) { return d * u * s * (one + g * (one - s)); };
  const auto up_gradient = [](auto d, auto g, auto s) { return d * g * s; };
  constexpr index_t strip = 1024;  // its sigmoids stay in the first cache for both gradients
  team_.run_pieces(dy.size(), 4, [&](index_t begin, index_t end) {
    Scalar sigmoids[strip];
    for (index_t at = begin; at < end; at += strip) {
      const index_t n = std::min(strip, end - at);
      const Scalar *d = dy.data + at, *g = gate.data + at, *u = up.data + at, *s = sigmoids;
      detail::transform(
          n, sigmoids, [](auto v) { return detail::sigmoid<Scalar>(v); }, g);
      if (dgate) detail::emit(dgate.add, n, dgate.into.data + at, gate_gradient, d, g, u, s);
      if (dup) detail::emit(dup.add, n, dup.into.data + at, up_gradient, d, g, s);
    }
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
void cpu_exec<Scalar>::leaky_relu(matrix y, const_matrix x, double slope) {
  const auto zero = detail::all(Scalar{0}), by = detail::all(static_cast<Scalar>(slope));
  const auto bent = [&](auto v) { return Eigen::internal::pselect(Eigen::internal::pcmp_lt(zero, v), v, by * v); };
  team_.run_pieces(y.size(), 1, [&](index_t begin, index_t end) {
    detail::transform(end - begin, y.data + begin, bent, x.data + begin);
  });
}

template <class Scalar>
void cpu_exec<Scalar>::leaky_relu_backward(sink dx, const_matrix dy, const_matrix x, double slope) {
  const auto zero = detail::all(Scalar{0}), by = detail::all(static_cast<Scalar>(slope));
  const auto gradient = [&](auto d, auto v) {
    return Eigen::internal::pselect(Eigen::internal::pcmp_lt(zero, v), d, by * d);
  };
  team_.run_pieces(dy.size(), 1, [&](index_t begin, index_t end) {
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
void cpu_exec<Scalar>::multiply(matrix y, const_matrix a, const_matrix b) {
  team_.run_pieces(y.size(), 1, [&](index_t begin, index_t end) {
    detail::transform(
        end - begin, y.data + begin, [](auto u, auto v) { return u * v; }, a.data + begin, b.data + begin);
  });
}

template <class Scalar>
void cpu_exec<Scalar>::multiply_backward(sink da, sink db, const_matrix dy, const_matrix a, const_matrix b) {
  const auto product = [](auto u, auto v) { return u * v; };
  team_.run_pieces(dy.size(), 2, [&](index_t begin, index_t end) {
    const index_t n = end - begin;
    if (da) detail::emit(da.add, n, da.into.data + begin, product, dy.data + begin, b.data + begin);
    if (db) detail::emit(db.add, n, db.into.data + begin, product, dy.data + begin, a.data + begin);
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
