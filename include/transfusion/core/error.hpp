// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdio>
#include <initializer_list>
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

/// A word, a name or a number of a message. Words and names are referred to. One type for all, so that a message costs
/// its caller's compilation a list and a call.
class message_part {
 public:
  explicit message_part(std::string_view text) : text_(text) {}
  explicit message_part(double v) : kind_(kind::real), real_(v) {}
  explicit message_part(float v) : message_part(static_cast<double>(v)) {}
  template <std::signed_integral Integer>
  explicit message_part(Integer v) : kind_(kind::whole), whole_(v) {}
  template <std::unsigned_integral Natural>
  explicit message_part(Natural v) : kind_(kind::natural), natural_(v) {}

  void append_to(std::string& s) const {
    char number[32];
    switch (kind_) {
      case kind::text:
        s += text_;
        return;
      case kind::real:
        std::snprintf(number, sizeof number, "%.9g", real_);
        break;
      case kind::whole:
        std::snprintf(number, sizeof number, "%lld", whole_);
        break;
      case kind::natural:
        std::snprintf(number, sizeof number, "%llu", natural_);
    }
    s += number;
  }

 private:
  enum class kind { text, real, whole, natural };
  kind kind_ = kind::text;
  std::string_view text_;
  double real_ = 0;
  long long whole_ = 0;
  unsigned long long natural_ = 0;
};

inline std::string joined(std::initializer_list<message_part> parts) {
  std::string s;
  for (const message_part& p : parts) p.append_to(s);
  return s;
}

/// Joins words, names and numbers into one message.
template <class... Parts>
std::string message(const Parts&... parts) {
  return joined({message_part(parts)...});
}

template <class Error>
[[noreturn]] void fail(std::initializer_list<message_part> parts) {
  throw Error(joined(parts));
}

}  // namespace detail

/// Throws `Error` with the parts joined into its message, unless `ok`.
template <class Error, class... Parts>
void require(bool ok, const Parts&... parts) {
  if (!ok) detail::fail<Error>({detail::message_part(parts)...});
}

/// Throws `shape_error` naming `what`, unless the extent found is the one expected.
inline void require_extent(std::string_view what, index_t found, index_t expected) {
  if (found != expected) throw shape_error(detail::message(what, ": found ", found, ", expected ", expected));
}

}  // namespace transfusion
