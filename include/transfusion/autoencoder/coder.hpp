// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "transfusion/autoencoder/options.hpp"
#include "transfusion/layer/image_attention.hpp"
#include "transfusion/layer/residual_block.hpp"

namespace transfusion::layer {

/// Two residual blocks with attention between them, at the coarsest level of an autoencoder.
template <class Exec>
struct middle_blocks {
  residual_block<Exec> before;
  image_attention<Exec> attention;
  residual_block<Exec> after;

  middle_blocks(parameter_set<Exec>& set, const std::string& name, index_t taps, index_t channels, index_t groups)
      : before(set, name + ".before", taps, channels, channels, 0, groups),
        attention(set, name + ".attention", channels, 1, groups),
        after(set, name + ".after", taps, channels, channels, 0, groups) {}

  /// x, result: [P, channels].
  var<Exec> operator()(tape<Exec>& tape, var<Exec> x, const pixel_level& level) const {
    return after(tape, attention(tape, before(tape, x, level), level), level);
  }
};

/// One level of an encoder or decoder: residual blocks, and a convolution that leads to the next level.
template <class Exec>
struct coder_level {
  std::vector<residual_block<Exec>> blocks;
  std::optional<convolution<Exec>> resize;

  var<Exec> run(tape<Exec>& tape, var<Exec> x, const pixel_level& level) const {
    for (const auto& b : blocks) x = b(tape, x, level);
    return x;
  }
};

/// Images to what the bottleneck takes (Esser et al. 2021, table 7, without attention outside the middle).
template <class Exec>
class image_encoder {
 public:
  image_encoder(parameter_set<Exec>& set, const std::string& name, const autoencoder_options& o, index_t out)
      : in_(set, name + ".in", taps(o), o.channels, o.level_channels.front()),
        levels_(declare_levels(set, name, o)),
        middle_(set, name + ".middle", taps(o), o.level_channels.back(), o.groups),
        norm_(set, name + ".norm", o.level_channels.back(), o.groups),
        out_(set, name + ".out", taps(o), o.level_channels.back(), out) {}

  /// pixels: [N, C] of the finest level; result: [P, out] of the coarsest one.
  var<Exec> operator()(tape<Exec>& tape, var<Exec> pixels, std::span<const pixel_level> levels) const {
    auto h = in_(tape, pixels, levels.front().window);
    for (std::size_t l = 0; l < levels_.size(); ++l) {
      h = levels_[l].run(tape, h, levels[l]);
      if (levels_[l].resize) h = (*levels_[l].resize)(tape, h, levels[l].halved);
    }
    const pixel_level& coarsest = levels.back();
    h = middle_(tape, h, coarsest);
    return out_(tape, silu(tape, norm_(tape, h, coarsest.images)), coarsest.window);
  }

 private:
  static index_t taps(const autoencoder_options& o) { return transfusion::detail::along_axes(o.axes, 3).size(); }

  static std::vector<coder_level<Exec>> declare_levels(parameter_set<Exec>& set, const std::string& name,
                                                       const autoencoder_options& o) {
    std::vector<coder_level<Exec>> levels(o.level_channels.size());
    index_t channels = o.level_channels.front();
    for (std::size_t l = 0; l < levels.size(); ++l) {
      const std::string at = name + ".level." + std::to_string(l);
      for (index_t b = 0; b < o.blocks; ++b) {
        levels[l].blocks.emplace_back(set, at + "." + std::to_string(b), taps(o), channels, o.level_channels[l], 0,
                                      o.groups);
        channels = o.level_channels[l];
      }
      if (l + 1 < levels.size()) levels[l].resize.emplace(set, at + ".halve", taps(o), channels, channels);
    }
    return levels;
  }

  convolution<Exec> in_;
  std::vector<coder_level<Exec>> levels_;
  middle_blocks<Exec> middle_;
  group_norm<Exec> norm_;
  convolution<Exec> out_;
};

/// Latents back to images: the encoder's levels from the last to the first, with one block more in each.
template <class Exec>
class image_decoder {
 public:
  image_decoder(parameter_set<Exec>& set, const std::string& name, const autoencoder_options& o)
      : in_(set, name + ".in", taps(o), o.latent_channels, o.level_channels.back()),
        middle_(set, name + ".middle", taps(o), o.level_channels.back(), o.groups),
        levels_(declare_levels(set, name, o)),
        norm_(set, name + ".norm", o.level_channels.front(), o.groups),
        out_(set, name + ".out", taps(o), o.level_channels.front(), o.channels) {}

  /// What stands before the last convolution. latents: [P, latent channels] of the coarsest level; result: [N,
  /// channels] of the finest one.
  var<Exec> hidden(tape<Exec>& tape, var<Exec> latents, std::span<const pixel_level> levels) const {
    auto h = middle_(tape, in_(tape, latents, levels.back().window), levels.back());
    for (std::size_t l = levels_.size(); l-- > 0;) {
      h = levels_[l].run(tape, h, levels[l]);
      if (levels_[l].resize)
        h = (*levels_[l].resize)(tape, gather_rows(tape, h, levels[l - 1].coarse_row), levels[l - 1].window);
    }
    return silu(tape, norm_(tape, h, levels.front().images));
  }

  /// The last convolution: what `hidden` gave to pixels [N, C].
  const convolution<Exec>& last() const { return out_; }

 private:
  static index_t taps(const autoencoder_options& o) { return transfusion::detail::along_axes(o.axes, 3).size(); }

  static std::vector<coder_level<Exec>> declare_levels(parameter_set<Exec>& set, const std::string& name,
                                                       const autoencoder_options& o) {
    std::vector<coder_level<Exec>> levels(o.level_channels.size());
    index_t channels = o.level_channels.back();
    for (std::size_t l = levels.size(); l-- > 0;) {
      const std::string at = name + ".level." + std::to_string(l);
      for (index_t b = 0; b <= o.blocks; ++b) {
        levels[l].blocks.emplace_back(set, at + "." + std::to_string(b), taps(o), channels, o.level_channels[l], 0,
                                      o.groups);
        channels = o.level_channels[l];
      }
      if (l > 0) levels[l].resize.emplace(set, at + ".double", taps(o), channels, channels);
    }
    return levels;
  }

  convolution<Exec> in_;
  middle_blocks<Exec> middle_;
  std::vector<coder_level<Exec>> levels_;
  group_norm<Exec> norm_;
  convolution<Exec> out_;
};

}  // namespace transfusion::layer
