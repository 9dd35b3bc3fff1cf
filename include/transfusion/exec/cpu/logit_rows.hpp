// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/core/types.hpp"

namespace transfusion::detail {

/// Rows whose logits, or scores against a codebook, stand in memory at once: as many as fit into 64 MB, as every chunk
/// reads and writes all of dw, but enough for the products to run at full speed.
template <class Scalar>
index_t logit_rows(index_t vocabulary, index_t width) {
  constexpr index_t bytes = index_t{1} << 26, fewest = 256;
  const index_t row_bytes = std::max(vocabulary, width) * static_cast<index_t>(sizeof(Scalar));
  return std::max(fewest, bytes / row_bytes / fewest * fewest);
}

}  // namespace transfusion::detail
