// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/mask/concepts.hpp"

namespace transfusion::mask {

/// Every row sees its whole document: for encoders such as a classifier. Text cannot be generated under it.
struct bidirectional {
  key_interval keys(index_t q, const span_table& table) const {
    return key_interval::of(table.document_begin(q), table.document_end(q));
  }
};

}  // namespace transfusion::mask
