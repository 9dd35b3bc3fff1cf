// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/mask/concepts.hpp"

namespace transfusion::mask {

/// Every row sees its document up to itself, patches too (the baseline of paper Table 5).
struct causal {
  key_interval keys(index_t q, const span_table& table) const {
    return key_interval::of(table.document_begin(q), q + 1);
  }
};

}  // namespace transfusion::mask
