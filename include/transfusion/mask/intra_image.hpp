// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/mask/concepts.hpp"

namespace transfusion::mask {

/// The paper's mask (§3): causal over everything, bidirectional inside each image.
struct intra_image {
  key_interval keys(index_t q, const span_table& table) const {
    return key_interval::of(table.document_begin(q), table.span_end(q));
  }
};

}  // namespace transfusion::mask
