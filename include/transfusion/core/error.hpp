// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>

#include "transfusion/core/types.hpp"

namespace transfusion {

/// The base of everything that the library throws on purpose.
struct error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// An operand has another shape than the operation needs.
struct shape_error : error {
  using error::error;
};

/// A configuration contradicts itself or lies outside its range.
struct config_error : error {
  using error::error;
};

/// A file is not what its format says.
struct format_error : error {
  using error::error;
};

/// A file cannot be opened, read, written or renamed.
struct io_error : error {
  using error::error;
};

/// A device is missing, too old or out of memory.
struct device_error : error {
  using error::error;
};

/// A loss, gradient or weight is not finite.
struct numeric_error : error {
  using error::error;
};

namespace detail {

inline std::string text_of(std::string_view s) { return std::string(s); }
inline std::string text_of(const std::string& s) { return s; }
inline std::string text_of(const char* s) { return s; }
inline std::string text_of(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", v);
  return text;
}
inline std::string text_of(float v) { return text_of(static_cast<double>(v)); }
template <class Integer>
std::string text_of(Integer v) {
  return std::to_string(v);
}

/// Joins words, names and numbers into one message.
template <class... Parts>
std::string message(const Parts&... parts) {
  std::string s;
  ((s += text_of(parts)), ...);
  return s;
}

}  // namespace detail

/// Throws `Error` with the parts joined into its message, unless `ok`.
template <class Error, class... Parts>
void require(bool ok, const Parts&... parts) {
  if (!ok) throw Error(detail::message(parts...));
}

/// Throws `shape_error` naming `what`, unless the extent found is the one expected.
inline void require_extent(std::string_view what, index_t found, index_t expected) {
  if (found != expected) throw shape_error(detail::message(what, ": found ", found, ", expected ", expected));
}

}  // namespace transfusion
