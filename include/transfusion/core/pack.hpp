// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

namespace transfusion {

namespace detail {

template <std::size_t Number, class T>
struct leaf {
  T value{};
};

template <std::size_t Number, class T>
constexpr T& leaf_value(leaf<Number, T>& l) {
  return l.value;
}
template <std::size_t Number, class T>
constexpr const T& leaf_value(const leaf<Number, T>& l) {
  return l.value;
}

template <class Numbers, class... T>
struct leaves;
template <std::size_t... Number, class... T>
struct leaves<std::index_sequence<Number...>, T...> : leaf<Number, T>... {
  leaves() = default;
  template <class Make>
  explicit leaves(Make make) : leaf<Number, T>{make(std::integral_constant<std::size_t, Number>{})}... {}
};

}  // namespace detail

/// One value of each type, found by its number: indexed bases, so that no type grows with the number of members.
template <class... T>
struct pack_of : detail::leaves<std::index_sequence_for<T...>, T...> {
  static constexpr std::size_t count = sizeof...(T);

  pack_of() = default;
  /// Value i is made by make(std::integral_constant<std::size_t, i>), in rising order.
  template <class Make>
  explicit pack_of(Make make) : detail::leaves<std::index_sequence_for<T...>, T...>(make) {}

  template <std::size_t Number>
  constexpr auto& get() {
    return detail::leaf_value<Number>(*this);
  }
  template <std::size_t Number>
  constexpr const auto& get() const {
    return detail::leaf_value<Number>(*this);
  }
};

/// Calls f(std::integral_constant<std::size_t, i>) for i = 0 to Count - 1.
template <std::size_t Count, class F>
constexpr void for_each_number(F&& f) {
  [&]<std::size_t... Number>(std::index_sequence<Number...>) {
    (f(std::integral_constant<std::size_t, Number>{}), ...);
  }
  (std::make_index_sequence<Count>{});
}

}  // namespace transfusion
