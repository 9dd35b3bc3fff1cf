// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "transfusion/sequence/step_share.hpp"

namespace transfusion {

/// What the mean of a loss term counts equally: its items (text rows, images), the patches of all images, or documents
/// (and, within a document, its items).
enum class mean_over { items, patches, documents };

namespace loss {

/// The part of each text row with a target in the mean over a step.
template <class List>
void text_shares(const packed_batch& batch, const step_counts& all, mean_over over, List& out) {
  const auto count = static_cast<std::size_t>(batch.text_targets());
  for (std::size_t begin = 0; begin < count;) {
    const index_t document = batch.table.document(batch.text_rows[begin]);
    std::size_t end = begin;
    while (end < count && batch.table.document(batch.text_rows[end]) == document) ++end;
    const double items = over == mean_over::documents
                             ? static_cast<double>(all.text_documents) * static_cast<double>(end - begin)
                             : static_cast<double>(all.text_rows);
    for (; begin < end; ++begin) out.push_back(1 / items);
  }
}

/// The part of each image in the mean over a step, times the weight of its modality; 0 for images that are not learnt.
template <class List>
void image_shares(const packed_batch& batch, const step_counts& all, mean_over over, std::span<const double> weights,
                  List& out) {
  const auto& spans = batch.table.spans();
  const auto learnt = [&](const span& s) { return batch.context[static_cast<std::size_t>(s.image)] == 0; };
  const auto like = [&](const span& s) {  // learnt images of its modality in its document
    index_t count = 0;
    for (auto other = spans.begin() + s.image; other != spans.begin() && (other - 1)->document == s.document; --other)
      count += (other - 1)->modality == s.modality && learnt(*(other - 1));
    for (auto other = spans.begin() + s.image; other != spans.end() && other->document == s.document; ++other)
      count += other->modality == s.modality && learnt(*other);
    return count;
  };
  for (const span& s : spans) {
    const auto m = static_cast<std::size_t>(s.modality);
    double share = 0;
    if (learnt(s)) {
      if (over == mean_over::items) share = 1 / static_cast<double>(all.modalities[m].images);
      if (over == mean_over::patches)
        share = static_cast<double>(s.patches()) / static_cast<double>(all.modalities[m].patches);
      if (over == mean_over::documents)
        share = 1 / (static_cast<double>(all.modalities[m].documents) * static_cast<double>(like(s)));
    }
    out.push_back(weights[m] * share);
  }
}

}  // namespace loss
}  // namespace transfusion
