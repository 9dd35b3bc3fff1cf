// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "transfusion/codec/codes.hpp"
#include "transfusion/core/error.hpp"
#include "transfusion/loss/shares.hpp"
#include "transfusion/modality.hpp"
#include "transfusion/sequence/packed_batch.hpp"
#include "transfusion/variant.hpp"

namespace transfusion {

/// The sizes and weights of a model: everything that does not change the computation's form.
template <variant Variant = paper>
struct model_config {
  index_t layers = 0;        ///< L
  index_t width = 0;         ///< D
  index_t heads = 0;         ///< H
  index_t vocabulary = 0;    ///< V, markers included
  index_t kv_heads = 0;      ///< G; 0: as many as heads
  index_t feed_forward = 0;  ///< F; 0: by the rule of Variant::feed_forward
  double rope_theta = 10000;
  double norm_epsilon = 1e-5;
  typename Variant::codec::options codec{};
  marker_tokens markers{};
  std::array<double, Variant::loss::terms> loss_weights = Variant::loss::default_weights;
  double dropout = 0;                       ///< share of each branch's values that a training step leaves out
  double label_smoothing = 0;               ///< share of the next-token target that is spread over the vocabulary
  mean_over text_mean = mean_over::items;   ///< of the next-token loss: rows, or documents
  mean_over image_mean = mean_over::items;  ///< of the denoising loss: images, patches, or documents
  typename modalities_of<Variant>::configs other_modalities{};

  /// Modality 1, 2, … of the variant; its own is `codec`, `markers.boi` and `markers.eoi`.
  template <std::size_t Number>
  auto& modality() {
    return other_modalities.template get<Number - 1>();
  }
  template <std::size_t Number>
  const auto& modality() const {
    return other_modalities.template get<Number - 1>();
  }

  /// What any modality's codec is made from.
  template <std::size_t Number>
  const auto& codec_options() const {
    if constexpr (Number == 0)
      return codec;
    else
      return modality<Number>().codec;
  }
  /// Tokens of text and markers: those before the first code of an item, or all of the vocabulary.
  index_t text_vocabulary() const {
    index_t n = vocabulary;
    for (const modality_markers& m : modality_tokens())
      if (m.codes > 0) n = std::min<index_t>(n, m.first_code);
    return n;
  }
  /// The tokens around each modality's items, and each modality's weight in the denoising loss.
  std::array<modality_markers, modalities_of<Variant>::count> modality_tokens() const {
    std::array<modality_markers, modalities_of<Variant>::count> tokens{};
    tokens[0] = {markers.boi, markers.eoi};
    for_each_number<modalities_of<Variant>::count - 1>([&](auto i) {
      const auto& m = other_modalities.template get<i>();
      tokens[i + 1] = {m.begin, m.end};
    });
    for_each_number<modalities_of<Variant>::count>([&](auto i) {
      if constexpr (transfusion::codec::is_discrete<typename modalities_of<Variant>::template at<i>::codec>) {
        tokens[i].first_code = codec_options<i>().first;
        tokens[i].codes = codec_options<i>().size;
      }
    });
    return tokens;
  }
  std::array<double, modalities_of<Variant>::count> modality_weights() const {
    std::array<double, modalities_of<Variant>::count> weights{1.0};
    for_each_number<modalities_of<Variant>::count - 1>(
        [&](auto i) { weights[i + 1] = other_modalities.template get<i>().loss_weight; });
    return weights;
  }
};

/// Fills in what was left at 0. Throws config_error naming the member, the value found and the value expected.
template <variant Variant>
model_config<Variant> completed(model_config<Variant> c) {
  const auto positive = [](std::string_view name, index_t value) {
    require<config_error>(value > 0, name, ": found ", value, ", expected > 0");
  };
  positive("layers", c.layers);
  positive("width", c.width);
  positive("heads", c.heads);
  positive("vocabulary", c.vocabulary);
  require<config_error>(c.width % c.heads == 0 && c.width / c.heads % 2 == 0, "heads: found ", c.heads,
                        ", expected a divisor of the width ", c.width, " that leaves an even head width");
  if (c.kv_heads == 0) c.kv_heads = c.heads;
  require<config_error>(c.kv_heads > 0 && c.heads % c.kv_heads == 0, "kv_heads: found ", c.kv_heads,
                        ", expected a divisor of heads = ", c.heads);
  if (c.feed_forward == 0) c.feed_forward = Variant::feed_forward::hidden(c.width);
  positive("feed_forward", c.feed_forward);
  require<config_error>(c.rope_theta > 0, "rope_theta: found ", c.rope_theta, ", expected > 0");
  require<config_error>(c.norm_epsilon > 0, "norm_epsilon: found ", c.norm_epsilon, ", expected > 0");
  require<config_error>(c.dropout >= 0 && c.dropout < 1, "dropout: found ", c.dropout, ", expected 0 to below 1");
  require<config_error>(c.label_smoothing >= 0 && c.label_smoothing < 1, "label_smoothing: found ", c.label_smoothing,
                        ", expected 0 to below 1");
  require<config_error>(c.text_mean == mean_over::items || c.text_mean == mean_over::documents, "text_mean: found ",
                        c.text_mean == mean_over::patches ? "patches" : "another value",
                        ", expected items or documents");
  require<config_error>(c.image_mean >= mean_over::items && c.image_mean <= mean_over::documents,
                        "image_mean: found another value, expected items, patches or documents");
  if constexpr (requires { Variant::loss::require_valid(c.loss_weights); })
    Variant::loss::require_valid(c.loss_weights);
  for_each_number<modalities_of<Variant>::count>([&](auto i) {
    using codec = typename modalities_of<Variant>::template at<i>::codec;
    const auto& options = c.template codec_options<i>();
    if constexpr (requires { codec::require_valid(options); }) codec::require_valid(options);
  });
  for_each_number<modalities_of<Variant>::count - 1>([&](auto i) {
    if constexpr (transfusion::codec::is_discrete<typename modalities_of<Variant>::template at<i + 1>::codec>)
      require<config_error>(c.other_modalities.template get<i>().loss_weight == 1, "modality ", i + 1,
                            ": loss_weight: found ", c.other_modalities.template get<i>().loss_weight,
                            ", expected 1, as its codes are learnt with the text");
  });
  detail::require_markers(c.markers, c.modality_tokens(), c.vocabulary);
  return c;
}

/// The paper's five sizes (Table 2) by name: "0.16B", "0.37B", "0.76B", "1.4B", "7B". Vocabulary 32,000 (Llama 2),
/// latents of 8 channels in 2 × 2 patches. Throws config_error on another name.
template <variant Variant = paper>
model_config<Variant> paper_config(std::string_view size) {
  struct entry {
    std::string_view name;
    index_t layers, width, heads;
  };
  constexpr entry table[] = {{"0.16B", 16, 768, 12},
                             {"0.37B", 24, 1024, 16},
                             {"0.76B", 24, 1536, 24},
                             {"1.4B", 24, 2048, 16},
                             {"7B", 32, 4096, 32}};
  for (const entry& e : table)
    if (e.name == size) {
      model_config<Variant> c{.layers = e.layers, .width = e.width, .heads = e.heads, .vocabulary = 32000};
      if constexpr (requires { Variant::codec::paper_options(); })
        c.codec = Variant::codec::paper_options();
      else
        c.codec.channels = 8;
      if constexpr (transfusion::codec::is_discrete<typename Variant::codec>) c.vocabulary += c.codec.size;
      return c;
    }
  throw config_error(detail::message("model size: found \"", size, "\", expected 0.16B, 0.37B, 0.76B, 1.4B or 7B"));
}

}  // namespace transfusion
