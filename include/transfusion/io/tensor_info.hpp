// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "transfusion/core/types.hpp"

namespace transfusion {

/// The name of an element type in a safetensors file; specialise it for types of your own.
template <class T>
inline constexpr std::string_view dtype_of = "";
template <>
inline constexpr std::string_view dtype_of<float> = "F32";
template <>
inline constexpr std::string_view dtype_of<double> = "F64";
template <>
inline constexpr std::string_view dtype_of<std::int64_t> = "I64";
template <>
inline constexpr std::string_view dtype_of<std::int32_t> = "I32";
template <>
inline constexpr std::string_view dtype_of<std::uint8_t> = "U8";

/// Bytes of one element, or nothing where the name is unknown.
constexpr std::optional<index_t> dtype_bytes(std::string_view dtype) {
  constexpr std::array<std::pair<std::string_view, index_t>, 15> known = {{{"F64", 8},
                                                                           {"I64", 8},
                                                                           {"U64", 8},
                                                                           {"F32", 4},
                                                                           {"I32", 4},
                                                                           {"U32", 4},
                                                                           {"F16", 2},
                                                                           {"BF16", 2},
                                                                           {"I16", 2},
                                                                           {"U16", 2},
                                                                           {"F8_E4M3", 1},
                                                                           {"F8_E5M2", 1},
                                                                           {"I8", 1},
                                                                           {"U8", 1},
                                                                           {"BOOL", 1}}};
  for (const auto& [name, bytes] : known)
    if (name == dtype) return bytes;
  return std::nullopt;
}

/// The product of extents, or nothing where one is negative or the product passes 64 bits.
constexpr std::optional<index_t> checked_product(const std::vector<index_t>& extents, index_t product = 1) {
  for (const index_t extent : extents) {
    if (extent < 0 || (extent > 0 && product > INT64_MAX / extent)) return std::nullopt;
    product *= extent;
  }
  return product;
}

/// One tensor of a file: its name, element type (a safetensors name such as "F32"), extents, and bytes [begin, end)
/// in the file's data. An empty shape is a single number.
struct tensor_info {
  std::string name;
  std::string dtype;
  std::vector<index_t> shape;
  index_t begin = 0;
  index_t end = 0;

  /// A tensor of elements T, not placed in a file yet.
  template <class T>
  static tensor_info of(std::string name, std::vector<index_t> shape) {
    static_assert(!dtype_of<T>.empty(), "no safetensors type is known for T");
    return {.name = std::move(name), .dtype = std::string(dtype_of<T>), .shape = std::move(shape)};
  }

  /// Elements. 0 where the shape is no valid one.
  index_t size() const { return checked_product(shape).value_or(0); }
  friend bool operator==(const tensor_info&, const tensor_info&) = default;
};

}  // namespace transfusion
