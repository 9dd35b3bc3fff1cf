// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <utility>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/sequence/document.hpp"

namespace transfusion::codec {

/// A frozen encoder and decoder in front of a model, an autoencoder say: items as they are stored become latents, which
/// any codec then takes for its images, and back. On the host; it sees one item at a time.
///   struct my_coder { image encode(const image&) const; image decode(const image&) const; };
template <class Coder>
concept outer_coder = requires(Coder& coder, const image& item) {
  { coder.encode(item) } -> std::same_as<image>;
  { coder.decode(item) } -> std::same_as<image>;
};

namespace detail {

/// Replaces the items of one modality by f(item). What the document says of an item stays.
template <class F>
document each_item(document d, index_t modality, const char* part, const F& f) {
  for (segment& s : d.segments) {
    image* item = std::get_if<image>(&s);
    if (!item || item->modality != modality) continue;
    image found = f(std::as_const(*item));
    require_extent(part, static_cast<index_t>(found.values.size()), found.shape.size());
    item->shape = found.shape;
    item->values = std::move(found.values);
  }
  return d;
}

}  // namespace detail

/// The documents with the latents of their items of one modality: what a model is trained on, once for all steps.
/// Throws shape_error where the coder's item has not as many values as its shape says.
template <outer_coder Coder>
std::vector<document> encoded(std::vector<document> documents, Coder&& coder, index_t modality = 0) {
  for (document& d : documents)
    d = detail::each_item(std::move(d), modality, "encoded item: number of values against its shape",
                          [&](const image& item) { return coder.encode(item); });
  return documents;
}

/// A document with its latents of one modality decoded: what a model has generated, for the eye. Throws as `encoded`.
template <outer_coder Coder>
document decoded(document d, Coder&& coder, index_t modality = 0) {
  return detail::each_item(std::move(d), modality, "decoded item: number of values against its shape",
                           [&](const image& item) { return coder.decode(item); });
}

}  // namespace transfusion::codec
