// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "transfusion/mask/concepts.hpp"
#include "transfusion/sequence/packed_batch.hpp"

namespace transfusion {

/// How many (query, key) pairs a mask lets a batch see.
template <attention_mask Mask>
double visible_pairs(const Mask& m, const span_table& table) {
  std::vector<key_interval> keys;
  mask::lower(m, table, 0, table.rows(), 0, keys);
  double pairs = 0;
  for (const key_interval& k : keys) pairs += k.end > k.begin ? k.end - k.begin : 0;
  return pairs;
}

/// Floating-point operations of the matrix products in one pass forward: 2 a weight and row, 4 a visible pair and
/// width; the head counts for rows with a target only, the codec for patches. Elementwise work is not counted.
template <class Model>
double forward_flops(Model& model, const packed_batch& batch) {
  const auto& c = model.config();
  const double rows = static_cast<double>(batch.rows()), width = static_cast<double>(c.width);
  const double trunk = static_cast<double>(model.parameters().count("blocks."));
  const double head = static_cast<double>(model.parameters().count("head"));
  const double codec =
      static_cast<double>(model.parameters().count("codec.in") + model.parameters().count("codec.out"));
  return 2 * (trunk * rows + head * static_cast<double>(batch.text_targets()) +
              codec * static_cast<double>(batch.patches())) +
         4 * static_cast<double>(c.layers) * width * visible_pairs(model.mask_policy(), batch.table);
}

/// The same forward and backward, by the convention that backward is twice forward.
template <class Model>
double training_flops(Model& model, const packed_batch& batch) {
  return 3 * forward_flops(model, batch);
}

}  // namespace transfusion
