// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

#include "transfusion/core/error.hpp"
#include "transfusion/sequence/document.hpp"
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
  index_t feed_forward = 0;  ///< F; 0: Llama's rule, 8D/3 rounded up to a multiple of 256 (of 32 below width 384)
  double rope_theta = 10000;
  double norm_epsilon = 1e-5;
  typename Variant::codec::options codec{};
  marker_tokens markers{};
  std::array<double, Variant::loss::terms> loss_weights = Variant::loss::default_weights;
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
  if (c.feed_forward == 0) {
    const index_t multiple = c.width < 384 ? 32 : 256;
    c.feed_forward = (8 * c.width / 3 + multiple - 1) / multiple * multiple;
  }
  positive("feed_forward", c.feed_forward);
  require<config_error>(c.rope_theta > 0, "rope_theta: found ", c.rope_theta, ", expected > 0");
  require<config_error>(c.norm_epsilon > 0, "norm_epsilon: found ", c.norm_epsilon, ", expected > 0");
  const auto marker = [&](std::string_view name, token_t value, bool optional) {
    require<config_error>((optional && value == ignored) || (value >= 0 && value < c.vocabulary), "markers.", name,
                          ": found ", value, ", expected a token of the vocabulary of ", c.vocabulary);
  };
  marker("bos", c.markers.bos, true);
  marker("eos", c.markers.eos, true);
  marker("boi", c.markers.boi, false);
  marker("eoi", c.markers.eoi, false);
  const token_t boi = c.markers.boi, eoi = c.markers.eoi;
  require<config_error>(
      boi != eoi && boi != c.markers.bos && boi != c.markers.eos && eoi != c.markers.bos && eoi != c.markers.eos,
      "markers: found boi ", boi, ", eoi ", eoi, ", expected tokens that no other marker has");
  if constexpr (requires { Variant::codec::require_valid(c.codec); }) Variant::codec::require_valid(c.codec);
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
      c.codec.channels = 8;
      c.codec.patch = 2;
      return c;
    }
  throw config_error(detail::message("model size: found \"", size, "\", expected 0.16B, 0.37B, 0.76B, 1.4B or 7B"));
}

}  // namespace transfusion
