// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/mask/concepts.hpp"
#include "transfusion/sequence/packed_batch.hpp"

namespace transfusion {

/// How many (query, key) pairs a mask lets a batch see.
template <attention_mask Mask>
double visible_pairs(const Mask& m, const span_table& table) {
  double pairs = 0;
  const auto add = [&](key_interval k) { pairs += k.end > k.begin ? k.end - k.begin : 0; };
  for (index_t q = 0; q < table.rows(); ++q) {
    const auto keys = m.keys(q, table);
    if constexpr (mask::intervals_per_row<Mask> == 1) {
      add(keys);
    } else {
      add(keys.first);
      add(keys.second);
    }
  }
  return pairs;
}

/// Floating-point operations of the matrix products in one pass forward: 2 a weight and row, 4 a visible pair and
/// width; the head counts for rows with a target only. A codec's layer says its own by `forward_flops(image_shape)`, or
/// its weights are taken to act once a patch, but for those of its timestep (`codec.time`), which are not counted, as
/// is elementwise work.
template <class Model>
double forward_flops(Model& model, const packed_batch& batch) {
  const auto& c = model.config();
  const double rows = static_cast<double>(batch.rows()), width = static_cast<double>(c.width);
  const double trunk = static_cast<double>(model.parameters().count("blocks."));
  const double head = static_cast<double>(model.head().size());
  double codecs = 0;
  Model::for_each_modality([&](auto m) {
    const modality_batch& part = batch.modalities[m];
    const auto& codec = model.template modality<m>().codec;
    if constexpr (requires { codec.forward_flops(image_shape{}); }) {
      for (const image_place& i : part.places) codecs += codec.forward_flops(i.shape);
    } else {
      const index_t weights = model.parameters().count(Model::codec_name(m) + ".") -
                              model.parameters().count(Model::codec_name(m) + ".time");
      codecs += 2 * static_cast<double>(weights) * static_cast<double>(part.patches());
    }
  });
  return 2 * (trunk * rows + head * static_cast<double>(batch.text_targets())) + codecs +
         4 * static_cast<double>(c.layers) * width * visible_pairs(model.mask_policy(), batch.table);
}

/// The same forward and backward, by the convention that backward is twice forward.
template <class Model>
double training_flops(Model& model, const packed_batch& batch) {
  return 3 * forward_flops(model, batch);
}

}  // namespace transfusion
