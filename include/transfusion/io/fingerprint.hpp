// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace transfusion {

/// Tells whether data is what it was: FNV-1a of 64 bits (Fowler, Noll & Vo). Against accidents, not against intent.
class fingerprint {
 public:
  fingerprint& add(const void* data, std::size_t bytes) {
    const auto* byte = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < bytes; ++i) state_ = (state_ ^ byte[i]) * 0x100000001B3u;
    return *this;
  }
  fingerprint& add(std::string_view text) { return add(text.data(), text.size()); }

  /// 16 hexadecimal digits.
  std::string text() const {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(state_));
    return digits;
  }

 private:
  std::uint64_t state_ = 0xCBF29CE484222325u;
};

}  // namespace transfusion
