// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "transfusion/sequence/packed_batch.hpp"

namespace transfusion {

/// What the means of one optimiser step are taken over.
struct step_counts {
  /// Of one continuous modality, what is learnt: images, their patches, documents that hold such an image.
  struct learnt {
    index_t images = 0;
    index_t patches = 0;
    index_t documents = 0;
    friend bool operator==(const learnt&, const learnt&) = default;
  };

  index_t text_rows = 0;       ///< with a next-token target
  index_t text_documents = 0;  ///< with such a row
  std::array<learnt, max_modalities> modalities{};

  friend bool operator==(const step_counts&, const step_counts&) = default;

  void add(const packed_batch& batch) {
    text_rows += batch.text_targets();
    index_t last = -1;
    for (token_t row : batch.text_rows) {
      text_documents += batch.table.document(row) != last;
      last = batch.table.document(row);
    }
    std::array<index_t, max_modalities> last_of;
    last_of.fill(-1);
    for (const span& s : batch.table.spans()) {
      if (batch.context[static_cast<std::size_t>(s.image)]) continue;
      const auto m = static_cast<std::size_t>(s.modality);
      learnt& all = modalities[m];
      ++all.images;
      all.patches += s.patches();
      all.documents += s.document != last_of[m];
      last_of[m] = s.document;
    }
  }
};

/// What part of an optimiser step a batch is, so that several small batches give the gradient of one large one.
struct step_share {
  step_counts all{};        ///< of the whole step; all zero: this batch is the whole step
  index_t first_image = 0;  ///< images, values and rows of the step before this batch
  index_t first_value = 0;
  index_t first_row = 0;

  /// The batch is behind this share from now on.
  void pass(const packed_batch& batch) {
    first_image += batch.image_count();
    first_value += static_cast<index_t>(batch.values.size());
    first_row += batch.rows();
  }
};

}  // namespace transfusion
