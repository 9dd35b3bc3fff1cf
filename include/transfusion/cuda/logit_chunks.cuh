// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/host_device.hpp"
#include "transfusion/core/types.hpp"

// Scores of rows against a vocabulary or a codebook never stand whole in memory: how many rows do.
namespace transfusion::cuda {

/// Bytes of logits that stand in memory at once.
inline constexpr index_t logit_bytes = index_t{64} << 20;

/// Floats from one row of logits to the next: rows start aligned whatever the vocabulary, so the products stay fast.
TRANSFUSION_HD constexpr index_t logit_pitch(index_t vocabulary) { return (vocabulary + 63) / 64 * 64; }

/// Rows of one chunk, from the shape alone: whole tiles of 128 rows where as many fit.
TRANSFUSION_HD constexpr index_t logit_rows(index_t rows, index_t vocabulary) {
  const index_t fit = logit_bytes / (static_cast<index_t>(sizeof(float)) * logit_pitch(vocabulary));
  const index_t chunk = fit >= 128 ? fit / 128 * 128 : fit > 1 ? fit : 1;
  return rows < chunk ? rows : chunk;
}

}  // namespace transfusion::cuda
