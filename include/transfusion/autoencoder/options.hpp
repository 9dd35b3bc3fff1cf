// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/image.hpp"

namespace transfusion {

/// The sizes of a convolutional autoencoder of the latent-diffusion family (Esser et al. 2021; Rombach et al. 2022).
/// Every level but the last halves the image along each axis.
struct autoencoder_options {
  index_t channels = 3;                          ///< C of the images
  index_t latent_channels = 8;                   ///< of what stands between encoder and decoder
  std::vector<index_t> level_channels{64, 128};  ///< finest first; one a level
  index_t blocks = 2;                            ///< residual blocks a level, one more on the way up
  index_t groups = 32;                           ///< of each norm
  index_t axes = 2;                              ///< that kernels span and strides halve: 1, 2 or 3, as in codec::unet

  index_t levels() const { return static_cast<index_t>(level_channels.size()); }
  /// Pixels of an image along each axis that one pixel of its latent stands for.
  index_t downsampling() const { return index_t{1} << (levels() - 1); }

  /// Calls visit(name, member) for each: how options get into files and back.
  template <class Self, class Visit>
  static void visit_fields(Self& o, Visit visit) {
    visit("channels", o.channels);
    visit("latent_channels", o.latent_channels);
    visit("level_channels", o.level_channels);
    visit("blocks", o.blocks);
    visit("groups", o.groups);
    visit("axes", o.axes);
  }
};

/// The paper's size (appendix A): 256 × 256 pixels become 32 × 32 × 8. The layout is that of latent diffusion's
/// autoencoder_kl_32x32x4, whose weights and 50,000 steps the paper has; 84 M parameters, where the paper says 86 M.
inline autoencoder_options paper_autoencoder() { return {.channels = 3, .level_channels = {128, 256, 512, 512}}; }

/// Throws config_error naming the option, the value found and the value expected.
inline void require_valid(const autoencoder_options& o) {
  const auto positive = [](const std::string& name, index_t value) {
    require<config_error>(value > 0, "autoencoder.", name, ": found ", value, ", expected > 0");
  };
  positive("channels", o.channels);
  positive("latent_channels", o.latent_channels);
  positive("blocks", o.blocks);
  positive("groups", o.groups);
  require<config_error>(o.axes >= 1 && o.axes <= 3, "autoencoder.axes: found ", o.axes, ", expected 1, 2 or 3");
  require<config_error>(!o.level_channels.empty() && o.levels() <= 16, "autoencoder.level_channels: found ", o.levels(),
                        " levels, expected 1 to 16");
  for (std::size_t l = 0; l < o.level_channels.size(); ++l)
    require<config_error>(o.level_channels[l] > 0 && o.level_channels[l] % o.groups == 0, "autoencoder.level_channels[",
                          l, "]: found ", o.level_channels[l], ", expected a multiple of groups = ", o.groups);
}

/// The shape of an image's latent. Throws shape_error on other channels, or an extent that the downsampling does not
/// divide.
inline image_shape latent_shape(image_shape image, const autoencoder_options& o) {
  require_extent("autoencoder: image channels", image.channels, o.channels);
  const index_t factor = o.downsampling();
  const auto halved = [&](const char* name, index_t extent, bool spans) {
    if (!spans) return extent;
    require<shape_error>(extent > 0 && extent % factor == 0, "autoencoder: image ", name, ": found ", extent,
                         ", expected a multiple of the downsampling ", factor);
    return extent / factor;
  };
  return {o.latent_channels, halved("height", image.height, o.axes >= 2), halved("width", image.width, true),
          halved("depth", image.depth, o.axes >= 3)};
}

namespace detail {

/// `extent` along each of the axes, 1 along the others.
constexpr patch_shape along_axes(index_t axes, index_t extent) {
  return {axes >= 2 ? extent : 1, extent, axes >= 3 ? extent : 1};
}

}  // namespace detail
}  // namespace transfusion
