// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace transfusion {

/// Every extent, offset and row number. 64 bits: a long run passes 2^31 elements early.
using index_t = std::int64_t;

/// A vocabulary entry, and every other index that a kernel reads from memory (positions, rows, interval ends).
using token_t = std::int32_t;

/// The target of a row that carries no next-token loss.
inline constexpr token_t ignored = -1;

}  // namespace transfusion
