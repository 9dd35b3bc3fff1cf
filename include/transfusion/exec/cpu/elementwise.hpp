// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/arrays.hpp"

namespace transfusion {
namespace detail {

/// Elements worked on at once, so that what one pass leaves is still in the first cache for the next.
inline constexpr index_t strip_elements = 1024;

/// Calls f(begin, count) for strips of [begin, end).
template <class F>
void each_strip(index_t begin, index_t end, const F& f) {
  for (; begin < end; begin += strip_elements) f(begin, std::min(strip_elements, end - begin));
}

template <class Array>
auto sigmoid(const Array& x) {
  using Scalar = typename Array::Scalar;
  return (Scalar{1} + (-x).exp()).inverse();
}

}  // namespace detail

template <class Scalar>
void cpu_exec<Scalar>::swiglu(matrix y, const_matrix gate, const_matrix up) {
  team_.run_pieces(y.size(), 2, [&](index_t begin, index_t end) {
    const auto g = detail::array(gate.data + begin, end - begin), u = detail::array(up.data + begin, end - begin);
    detail::array(y.data + begin, end - begin) = g * u / (Scalar{1} + (-g).exp());
  });
}

template <class Scalar>
void cpu_exec<Scalar>::swiglu_backward(sink dgate, sink dup, const_matrix dy, const_matrix gate, const_matrix up) {
  team_.run_pieces(dy.size(), 4, [&](index_t first, index_t last) {
    alignas(64) Scalar sigmoids[detail::strip_elements];
    detail::each_strip(first, last, [&](index_t at, index_t count) {
      const auto d = detail::array(dy.data + at, count), g = detail::array(gate.data + at, count);
      const auto u = detail::array(up.data + at, count);
      auto s = detail::array(sigmoids, count);
      s = detail::sigmoid(g);
      if (dgate) detail::put(dgate.into.data + at, count, dgate.add, d * u * s * (Scalar{1} + g * (Scalar{1} - s)));
      if (dup) detail::put(dup.into.data + at, count, dup.add, d * g * s);
    });
  });
}

template <class Scalar>
void cpu_exec<Scalar>::silu(matrix y, const_matrix x) {
  team_.run_pieces(y.size(), 2, [&](index_t begin, index_t end) {
    const auto in = detail::array(x.data + begin, end - begin);
    detail::array(y.data + begin, end - begin) = in / (Scalar{1} + (-in).exp());
  });
}

template <class Scalar>
void cpu_exec<Scalar>::silu_backward(sink dx, const_matrix dy, const_matrix x) {
  team_.run_pieces(dy.size(), 2, [&](index_t first, index_t last) {
    alignas(64) Scalar sigmoids[detail::strip_elements];
    detail::each_strip(first, last, [&](index_t at, index_t count) {
      const auto d = detail::array(dy.data + at, count), in = detail::array(x.data + at, count);
      auto s = detail::array(sigmoids, count);
      s = detail::sigmoid(in);
      detail::put(dx.into.data + at, count, dx.add, d * s * (Scalar{1} + in * (Scalar{1} - s)));
    });
  });
}

template <class Scalar>
void cpu_exec<Scalar>::add(matrix y, const_matrix a, const_matrix b) {
  team_.run_pieces(y.size(), 1, [&](index_t begin, index_t end) {
    detail::array(y.data + begin, end - begin) =
        detail::array(a.data + begin, end - begin) + detail::array(b.data + begin, end - begin);
  });
}

template <class Scalar>
void cpu_exec<Scalar>::accumulate(sink dx, const_matrix x) {
  team_.run_pieces(x.size(), 1, [&](index_t begin, index_t end) {
    detail::put(dx.into.data + begin, end - begin, dx.add, detail::array(x.data + begin, end - begin));
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
