// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "transfusion/autoencoder/pixels.hpp"
#include "transfusion/autograd/op/leaky_relu.hpp"
#include "transfusion/exec/concepts.hpp"
#include "transfusion/layer/group_norm.hpp"

namespace transfusion {

/// Sizes of a patch discriminator; the defaults are latent diffusion's (Isola et al. 2017, 70 × 70 patches).
struct discriminator_options {
  index_t channels = 64;  ///< after the first convolution; doubled a halving, up to eight times as many
  index_t halvings = 3;
  index_t groups = 8;  ///< of each norm
  double slope = 0.2;  ///< of the leaky ReLU below 0
};

/// Tells real patches from reconstructed ones: convolutions of 4 × 4 pixels, of stride 2 but for the last two. Its
/// norms are group norms over each image, where latent diffusion's are batch norms: so an image is judged alone.
template <execution_policy Exec>
class discriminator {
 public:
  /// axes: as in autoencoder_options.
  discriminator(Exec& exec, index_t image_channels, index_t axes, const discriminator_options& o, std::uint64_t seed)
      : options_((require_valid(o), o)),
        pyramid_(detail::along_axes(axes, 4), detail::along_axes(axes, 2), o.halvings + 1) {
    const index_t taps = detail::along_axes(axes, 4).size();
    index_t in = image_channels, out = o.channels;
    for (index_t l = 0; l <= o.halvings; ++l) {
      const std::string at = "discriminator." + std::to_string(l);
      convolutions_.emplace_back(parameters_, at, taps, in, out);
      if (l > 0) norms_.emplace_back(parameters_, at + ".norm", out, o.groups);
      in = out;
      if (l + 1 < 4) out *= 2;
    }
    convolutions_.emplace_back(parameters_, "discriminator.out", taps, in, 1);
    parameters_.allocate(exec, seed);
  }
  discriminator(const discriminator&) = delete;
  discriminator& operator=(const discriminator&) = delete;

  /// Its own tables for the images of x.
  std::span<const pixel_level> levels(tape<Exec>& tape, const pixel_batch<Exec>& x) const {
    return pyramid_.build(tape, x.shapes);
  }

  /// pixels: [N, C]; result: a score for each patch, [P, 1]: above 0 for what looks real.
  var<Exec> operator()(tape<Exec>& tape, var<Exec> pixels, std::span<const pixel_level> levels) const {
    auto h = leaky_relu(tape, convolutions_.front()(tape, pixels, levels.front().halved), options_.slope);
    for (std::size_t l = 1; l + 1 < convolutions_.size(); ++l) {
      const bool halves = l + 1 < levels.size();
      const pixel_level& to = levels[std::min(l + 1, levels.size() - 1)];
      h = convolutions_[l](tape, h, halves ? levels[l].halved : to.window);
      h = leaky_relu(tape, norms_[l - 1](tape, h, to.images), options_.slope);
    }
    return convolutions_.back()(tape, h, levels.back().window);
  }

  parameter_set<Exec>& parameters() { return parameters_; }

 private:
  static void require_valid(const discriminator_options& o) {
    require<config_error>(o.groups > 0 && o.channels > 0 && o.channels % o.groups == 0,
                          "discriminator.channels: found ", o.channels, ", expected a multiple of groups = ", o.groups);
    require<config_error>(o.halvings > 0 && o.halvings <= 16, "discriminator.halvings: found ", o.halvings,
                          ", expected 1 to 16");
  }

  discriminator_options options_;
  mutable pixel_pyramid pyramid_;
  parameter_set<Exec> parameters_;
  std::vector<layer::convolution<Exec>> convolutions_;
  std::vector<layer::group_norm<Exec>> norms_;
};

}  // namespace transfusion
