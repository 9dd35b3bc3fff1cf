// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace text_pairs {

/// How many bytes the character at the front has; 0 where it is not UTF-8 (Unicode 15, table 3-7).
std::size_t utf8_length(std::string_view text);

/// The place of the first byte that is not UTF-8; npos where all are.
std::size_t first_fault(std::string_view text);

/// The text with '?' in place of each byte that is not UTF-8 and of control characters but line breaks.
std::string printable(std::string_view text);

}  // namespace text_pairs
