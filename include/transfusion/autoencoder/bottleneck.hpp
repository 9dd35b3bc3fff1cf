// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <string>

#include "transfusion/autoencoder/pixels.hpp"
#include "transfusion/core/philox.hpp"

namespace transfusion {

/// What a bottleneck makes of a training pass.
template <class Exec>
struct bottleneck_result {
  var<Exec> latents;                    ///< [P, latent channels]; the decoder's input
  view<typename Exec::real, 1> losses;  ///< [I]; unweighted
  view<const token_t, 1> codes{};       ///< [P]; where there is a codebook
};

/// A bottleneck stands between the encoder and the decoder of an autoencoder:
///   struct my_bottleneck {
///     struct options { ... };                     // run-time sizes, with visit_fields as in autoencoder/options.hpp
///     static void require_valid(const options&);  // throws config_error
///     static constexpr double default_weight;     // of its loss
///     static constexpr const char* loss_name;
///     template <class Exec> struct layer {
///       layer(parameter_set<Exec>&, const std::string& name, const options&, index_t latent_channels);
///       static index_t width(index_t latent_channels);     // columns that it takes from the encoder
///       bottleneck_result<Exec> operator()(tape<Exec>&, var<Exec> encoded, const pixel_batch<Exec>&,
///                                          double weight, random_key) const;   // a root
///       var<Exec> latents(tape<Exec>&, var<Exec> encoded) const;      // in use: without noise, on a tape that does
///       not record
///     };
///   };
template <class Bottleneck, class Exec>
concept autoencoder_bottleneck = requires(const typename Bottleneck::template layer<Exec>& layer, tape<Exec>& tape,
                                          var<Exec> encoded, const pixel_batch<Exec>& pixels, double weight,
                                          random_key key, index_t n) {
  Bottleneck::require_valid(typename Bottleneck::options{});
  { Bottleneck::default_weight } -> std::convertible_to<double>;
  { Bottleneck::loss_name } -> std::convertible_to<std::string>;
  { layer.width(n) } -> std::same_as<index_t>;
  { layer(tape, encoded, pixels, weight, key) } -> std::same_as<bottleneck_result<Exec>>;
  { layer.latents(tape, encoded) } -> std::same_as<var<Exec>>;
};

}  // namespace transfusion
