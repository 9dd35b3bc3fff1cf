// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "transfusion/autoencoder/bottleneck.hpp"
#include "transfusion/autoencoder/row_error.hpp"
#include "transfusion/autograd/op/embedding.hpp"
#include "transfusion/autograd/op/straight_through.hpp"

namespace transfusion::bottleneck {

/// The VQ-VAE's: each pixel of the latent becomes the nearest row of a codebook (van den Oord et al. 2017, §3; the
/// paper's appendix A). Loss: the mean of (sg[z] - e)² + commitment · (z - sg[e])² over an image's latent; the gradient
/// of e passes straight to z.
struct codebook {
  struct options {
    index_t codes = 16384;     ///< V
    double commitment = 0.25;  ///< β

    template <class Self, class Visit>
    static void visit_fields(Self& o, Visit visit) {
      visit("codes", o.codes);
      visit("commitment", o.commitment);
    }
  };
  /// Throws config_error naming the option, the value found and the value expected.
  static void require_valid(const options& o) {
    require<config_error>(o.codes > 0 && o.codes <= (index_t{1} << 24), "bottleneck.codes: found ", o.codes,
                          ", expected 1 to ", index_t{1} << 24);
    require<config_error>(o.commitment >= 0, "bottleneck.commitment: found ", o.commitment, ", expected >= 0");
  }
  static constexpr double default_weight = 1;
  static constexpr const char* loss_name = "codebook";

  template <class Exec>
  struct layer {
    using real = typename Exec::real;

    parameter<Exec> codes;  ///< [V, latent channels]

    /// Codes start as normal numbers: the encoder's output is about as large.
    layer(parameter_set<Exec>& set, const std::string& name, const options& o, index_t latent_channels)
        : codes(set.declare(name + ".codes", {(require_valid(o), o.codes), latent_channels}, initial_value::normal(1),
                            decay::off)),
          commitment_(o.commitment) {}

    static index_t width(index_t latent_channels) { return latent_channels; }

    /// weight: in the mean over images. The losses that come back are the means of (z - e)². A root.
    bottleneck_result<Exec> operator()(tape<Exec>& tape, var<Exec> encoded, const pixel_batch<Exec>& pixels,
                                       double weight, random_key) const {
      const auto nearest = find(tape, encoded);
      const auto quantised = embedding(tape, nearest, codes);
      auto rows = tape.template list<index_t>(pixels.images());
      for (const image_place& i : pixels.shapes)
        rows.push_back(encoded.rows() * i.shape.size() / i.shape.channels / pixels.pixels());
      const std::span<const index_t> each{rows.data(), pixels.shapes.size()};
      const auto z = in_real(tape, encoded), e = in_real(tape, quantised);
      const auto losses = row_error(tape, error_kind::squared, quantised, z, each, weight);
      row_error(tape, error_kind::squared, encoded, e, each, commitment_ * weight);
      return {straight_through(tape, encoded, quantised), losses, nearest};
    }

    /// The nearest codes' rows.
    var<Exec> latents(tape<Exec>& tape, var<Exec> encoded) const { return embedding(tape, find(tape, encoded), codes); }

    /// The nearest code of each row: [P], on the device.
    view<const token_t, 1> find(tape<Exec>& tape, var<Exec> encoded) const {
      const auto nearest = tape.saved_tokens(encoded.rows());
      tape.exec().nearest_rows(nearest, encoded.value(), codes.value());
      return nearest;
    }

   private:
    double commitment_;
  };
};

}  // namespace transfusion::bottleneck
