// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "transfusion/autoencoder/bottleneck.hpp"
#include "transfusion/autograd/op/gaussian_sample.hpp"

namespace transfusion::bottleneck {

/// The VAE's: the encoder names a normal distribution for each value of the latent, training draws from it, use takes
/// its mean (Kingma & Welling 2014; the paper's appendix A). Loss: the divergence from N(0, 1), summed over an image's
/// latent and divided by its number of values, as the loss of an image is a mean over them: latent diffusion's 1e-6
/// weighs a sum against a sum.
struct gaussian {
  struct options {
    template <class Self, class Visit>
    static void visit_fields(Self&, Visit) {}
  };
  static void require_valid(const options&) {}
  static constexpr double default_weight = 1e-6;
  static constexpr const char* loss_name = "kl";

  template <class Exec>
  struct layer {
    using real = typename Exec::real;

    layer(parameter_set<Exec>&, const std::string&, const options&, index_t) {}

    /// Means, then logarithms of variances.
    static index_t width(index_t latent_channels) { return 2 * latent_channels; }

    /// weight: in the mean over images. The losses that come back are sums over an image's latent. A root.
    bottleneck_result<Exec> operator()(tape<Exec>& tape, var<Exec> encoded, const pixel_batch<Exec>& pixels,
                                       double weight, random_key key) const {
      const auto noise = tape.saved_real(encoded.rows(), encoded.cols() / 2);
      tape.exec().normal(noise.flat(), key, 1.0);
      auto weights = tape.template list<real>(pixels.images());
      for (const image_place& i : pixels.shapes)
        weights.push_back(static_cast<real>(weight / static_cast<double>(pixels.images() * i.shape.size())));
      const auto drawn =
          gaussian_sample(tape, encoded, view<const real, 2>(noise), pixels.levels.back().images, tape.upload(weights));
      return {drawn.z, drawn.kl};
    }

    /// The means; on a tape that does not record.
    var<Exec> latents(tape<Exec>& tape, var<Exec> encoded) const {
      const view<const key_interval, 1> none;
      return gaussian_sample(tape, encoded, view<const real, 2>{}, none, view<const real, 1>{}).z;
    }
  };
};

}  // namespace transfusion::bottleneck
