// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "transfusion/core/types.hpp"
#include "transfusion/exec/cpu/eigen.hpp"

// Loops over vector registers. An element's bits depend on its value only, never on where it lies in memory or in the
// row: loads are unaligned, and a tail goes through the same instructions as the rest.
namespace transfusion::detail {

/// One vector register of elements.
template <class T>
using lanes = typename Eigen::internal::packet_traits<T>::type;
template <class T>
inline constexpr index_t lane_count = Eigen::internal::unpacket_traits<lanes<T>>::size;

template <class T>
lanes<T> load(const T* p) {
  return Eigen::internal::ploadu<lanes<T>>(p);
}
template <class T>
void store(T* p, const lanes<T>& v) {
  Eigen::internal::pstoreu(p, v);
}
template <class T>
lanes<T> all(T v) {
  return Eigen::internal::pset1<lanes<T>>(v);
}

/// The smallest multiple of a register that holds n elements.
template <class T>
constexpr index_t padded(index_t n) {
  return (n + lane_count<T> - 1) / lane_count<T> * lane_count<T>;
}

/// out[i] = f(in[i]...) for i < count; f takes and gives registers. `out` may be one of the inputs.
template <class T, class F, class... In>
void transform(index_t count, T* out, const F& f, const In*... in) {
  constexpr index_t width = lane_count<T>;
  index_t i = 0;
  for (; i + width <= count; i += width) store<T>(out + i, f(load<T>(in + i)...));
  if (i == count) return;
  T tail[sizeof...(In) + 1][width] = {};
  std::size_t operand = 0;
  (std::copy(in + i, in + count, tail[operand++]), ...);
  [&]<std::size_t... Row>(std::index_sequence<Row...>) { store<T>(tail[sizeof...(In)], f(load<T>(tail[Row])...)); }
  (std::index_sequence_for<In...>{});
  std::copy_n(tail[sizeof...(In)], count - i, out + i);
}

/// out[i] = or += f(in[i]...).
template <class T, class F, class... In>
void emit(bool add, index_t count, T* out, const F& f, const In*... in) {
  if (add)
    transform(
        count, out, [&](auto old, auto... v) { return old + f(v...); }, static_cast<const T*>(out), in...);
  else
    transform(count, out, f, in...);
}

/// The sum of f(in[i]...) over i < count, in an order that depends on `count` only; f of zeros is zero.
template <class T, class F, class... In>
T sum(index_t count, const F& f, const T* first, const In*... in) {
  constexpr index_t width = lane_count<T>;
  lanes<T> total[4] = {all(T{0}), all(T{0}), all(T{0}), all(T{0})};
  index_t i = 0;
  for (; i + 4 * width <= count; i += 4 * width)
    for (index_t part = 0; part < 4; ++part)
      total[part] = total[part] + f(load<T>(first + i + part * width), load<T>(in + i + part * width)...);
  for (; i + width <= count; i += width) total[0] = total[0] + f(load<T>(first + i), load<T>(in + i)...);
  if (i < count) {
    T tail[sizeof...(In) + 1][width] = {};
    std::size_t operand = 0;
    std::copy(first + i, first + count, tail[operand++]);
    (std::copy(in + i, in + count, tail[operand++]), ...);
    [&]<std::size_t... Row>(std::index_sequence<Row...>) { total[1] = total[1] + f(load<T>(tail[Row])...); }
    (std::make_index_sequence<sizeof...(In) + 1>{});
  }
  return Eigen::internal::predux<lanes<T>>((total[0] + total[1]) + (total[2] + total[3]));
}

/// The sum of f(in[i]...) over i < count, strip by strip in rising order; f of zeros may be anything.
template <class T, class F, class... In>
T sum_in_strips(index_t count, const F& f, const In*... in) {
  constexpr index_t strip = 1024;
  T values[strip], total = 0;
  for (index_t at = 0; at < count; at += strip) {
    const index_t n = std::min(strip, count - at);
    transform(n, values, f, (in + at)...);
    total += sum<T>(
        n, [](auto v) { return v; }, static_cast<const T*>(values));
  }
  return total;
}

/// The largest of `count` elements.
template <class T>
T largest(index_t count, const T* x) {
  T top = x[0];
  index_t i = 0;
  if (constexpr index_t width = lane_count<T>; count >= width) {
    lanes<T> tops = load<T>(x);
    for (i = width; i + width <= count; i += width) tops = Eigen::internal::pmax(tops, load<T>(x + i));
    top = Eigen::internal::predux_max<lanes<T>>(tops);
  }
  for (; i < count; ++i) top = std::max(top, x[i]);
  return top;
}

template <class T>
lanes<T> exponential(const lanes<T>& x) {
  return Eigen::internal::pexp(x);
}
/// 1 / (1 + exp(-x))
template <class T>
lanes<T> sigmoid(const lanes<T>& x) {
  return all(T{1}) / (all(T{1}) + exponential<T>(all(T{0}) - x));
}

}  // namespace transfusion::detail
