// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

#include "transfusion/core/view.hpp"
#include "transfusion/exec/cpu/eigen.hpp"

namespace transfusion::detail {

template <class T>
using array_of = Eigen::Array<std::remove_const_t<T>, Eigen::Dynamic, 1>;

/// `count` contiguous elements as an Eigen array.
template <class T>
auto array(T* data, index_t count) {
  using mapped = std::conditional_t<std::is_const_v<T>, const array_of<T>, array_of<T>>;
  return Eigen::Map<mapped>(data, count);
}

/// Row r of a matrix as an Eigen array.
template <class T>
auto row(view<T, 2> m, index_t r) {
  return array(m.row(r), m.cols());
}

/// to = or += value, for `count` elements.
template <class T, class Expression>
void put(T* to, index_t count, bool add, const Expression& value) {
  if (add)
    array(to, count) += value;
  else
    array(to, count) = value;
}

}  // namespace transfusion::detail
