// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>

#include "transfusion/sequence/span_table.hpp"

namespace transfusion {

/// Gives each row of a batch the position that rotary embedding turns it by.
template <class P>
concept position_policy = requires(const P& p, index_t q, const span_table& table) {
  { p.at(q, table) } -> std::convertible_to<index_t>;
};

namespace position {

/// Rows are counted through their document, patches like words: the plain reading of the paper, which does not say.
struct sequential {
  index_t at(index_t q, const span_table& table) const { return q - table.document_begin(q); }
};

}  // namespace position
}  // namespace transfusion
