// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "transfusion/autograd/op/concatenate.hpp"
#include "transfusion/autograd/op/patchify.hpp"
#include "transfusion/codec/concepts.hpp"
#include "transfusion/codec/windows.hpp"
#include "transfusion/core/error.hpp"
#include "transfusion/layer/image_attention.hpp"
#include "transfusion/layer/residual_block.hpp"
#include "transfusion/layer/timestep_mlp.hpp"

namespace transfusion::codec {

/// What the way down leaves for the way up. On the device, but for the lists; alive until the tape's reset.
template <class Exec>
struct unet_skip {
  std::span<const pixel_level> levels;
  view<const image_place, 1> pixels;  ///< the images, their pixels counted as patches
  std::span<const var<Exec>> maps;    ///< in the order in which they were made
  var<Exec> time;                     ///< [I, time width]
};

/// The paper's U-Net down and up blocks around the transformer (§3; Nichol & Dhariwal 2021; Saharia et al. 2022): a row
/// stands for patch × patch pixels, and the decoder sees the encoder's maps. The timestep goes into both, added; norms
/// have no scale and shift of it (fn 7). What the paper leaves open follows Ho et al. 2020, appendix B: `blocks`
/// residual blocks a level, one more on the way up, and attention within the image behind each of the coarsest level.
/// It needs the timestep itself, so it is told whatever the variant's `time` is.
struct unet {
  static constexpr std::size_t most_levels = 4;

  struct options {
    index_t channels = 1;  ///< C of the images
    index_t patch = 2;     ///< pixels of a row along each axis: 1, 2, 4 or 8; log2(patch) + 1 levels
    index_t axes = 2;      ///< that kernels span and strides halve: 1 across, 2 and down, 3 and along the depth
    std::array<index_t, most_levels> level_channels{32, 64, 64, 64};  ///< finest first; as many as there are levels
    index_t blocks = 2;
    index_t groups = 8;  ///< of each norm; with one channel in each, a norm wipes out what is the same all over a map
    index_t heads = 4;
    index_t time_width = 128;  ///< of the timestep's embedding

    index_t levels() const { return patch == 1 ? 1 : patch == 2 ? 2 : patch == 4 ? 3 : 4; }

    /// Calls visit(name, member) for each: how options get into checkpoints and back.
    template <class Self, class Visit>
    static void visit_fields(Self& o, Visit visit) {
      visit("channels", o.channels);
      visit("patch", o.patch);
      visit("axes", o.axes);
      visit("level_channels", o.level_channels);
      visit("blocks", o.blocks);
      visit("groups", o.groups);
      visit("heads", o.heads);
      visit("time_width", o.time_width);
    }
  };

  /// `paper_unet` of latents in 2 × 2 patches.
  static options paper_options();

  /// Throws config_error naming the option, the value found and the value expected.
  static void require_valid(const options& o) {
    const auto positive = [](const char* name, index_t value) {
      require<config_error>(value > 0, "codec.", name, ": found ", value, ", expected > 0");
    };
    positive("channels", o.channels);
    require<config_error>(o.patch == 1 || o.patch == 2 || o.patch == 4 || o.patch == 8, "codec.patch: found ", o.patch,
                          ", expected 1, 2, 4 or 8");
    require<config_error>(o.axes >= 1 && o.axes <= 3, "codec.axes: found ", o.axes, ", expected 1, 2 or 3");
    positive("blocks", o.blocks);
    positive("groups", o.groups);
    positive("heads", o.heads);
    positive("time_width", o.time_width);
    for (index_t l = 0; l < o.levels(); ++l) {
      const index_t found = channels_at(o, l);
      require<config_error>(found > 0 && found % o.groups == 0, "codec.level_channels[", l, "]: found ", found,
                            ", expected a multiple of groups = ", o.groups);
    }
    const index_t last = channels_at(o, o.levels() - 1);
    require<config_error>(last % o.heads == 0, "codec.heads: found ", o.heads, ", expected a divisor of the ", last,
                          " channels of the last level");
  }

  static patch_grid grid(image_shape shape, const options& o) { return cut(shape, o.channels, along(o.axes, o.patch)); }

  template <class Exec>
  class layer {
   public:
    layer(parameter_set<Exec>& set, const std::string& name, const options& o, index_t width)
        : sizes_((require_valid(o), o)),
          pyramid_(along(o.axes, 3), along(o.axes, 2), o.levels()),
          time_(set, name + ".time", o.time_width, o.time_width),
          in_(set, name + ".in", taps(), o.channels, channels_at(o, 0)),
          to_rows_(set, name + ".to_rows", last_channels(), width, bias::on,
                   initial_value::keeping_size(last_channels())),
          from_rows_(set, name + ".from_rows", width, last_channels(), bias::on, initial_value::keeping_size(width)),
          norm_(set, name + ".norm", channels_at(o, 0), o.groups),
          out_(set, name + ".out", taps(), channels_at(o, 0), o.channels, initial_value::zeros()) {
      declare_stages(set, name);
    }

    encoded_images<Exec, unet_skip<Exec>> encode(tape<Exec>& tape, const image_batch<Exec>& x) const {
      unet_skip<Exec> skip{pyramid_.build(tape, x.shapes), pixels_of(tape, x), {}, silu(tape, time_(tape, x.times))};
      auto maps = tape.template list<var<Exec>>(sizes_.levels() * (sizes_.blocks + 1));
      const pixel_level& finest = skip.levels.front();
      auto h = in_(tape, patchify(tape, x.values, skip.pixels, finest.rows(), {}, sizes_.channels), finest.window);
      maps.push_back(h);
      for (std::size_t l = 0; l < down_.size(); ++l) {
        for (std::size_t b = 0; b < down_[l].blocks.size(); ++b)
          maps.push_back(h = down_[l].run(tape, b, h, skip.time, skip.levels[l]));
        if (down_[l].resize) maps.push_back(h = (*down_[l].resize)(tape, h, skip.levels[l].halved));
      }
      skip.maps = {maps.data(), static_cast<std::size_t>(maps.size())};
      return {to_rows_(tape, h), skip};
    }

    var<Exec> decode(tape<Exec>& tape, var<Exec> hidden, const unet_skip<Exec>& skip,
                     const image_batch<Exec>& x) const {
      auto h = from_rows_(tape, hidden);
      auto map = skip.maps.rbegin();
      for (std::size_t l = up_.size(); l-- > 0;) {
        for (std::size_t b = 0; b < up_[l].blocks.size(); ++b)
          h = up_[l].run(tape, b, concatenate(tape, h, *map++), skip.time, skip.levels[l]);
        if (up_[l].resize)
          h = (*up_[l].resize)(tape, gather_rows(tape, h, skip.levels[l - 1].coarse_row), skip.levels[l - 1].window);
      }
      const pixel_level& finest = skip.levels.front();
      h = out_(tape, silu(tape, norm_(tape, h, finest.images)), finest.window);
      return unpatchify(tape, h, skip.pixels, {}, x.values.size());
    }

    /// Floating-point operations of the products and attentions for one image, encoded and decoded.
    double forward_flops(image_shape shape) const {
      patch_grid grid{shape.height, shape.width, shape.depth};
      double flops = 2 * static_cast<double>(grid.patches() * (in_.weight.size() + out_.weight.size()));
      for (std::size_t l = 0; l < down_.size(); ++l) {
        const double pixels = static_cast<double>(grid.patches());
        flops += down_[l].flops(pixels) + up_[l].flops(pixels);
        if (l + 1 == down_.size()) break;
        grid = strided(grid, along(sizes_.axes, 2));
        flops += 2 * (static_cast<double>(grid.patches() * down_[l].resize->weight.size()) +
                      pixels * static_cast<double>(up_[l + 1].resize->weight.size()));
      }
      return flops + 2 * static_cast<double>(grid.patches() * (to_rows_.weight.size() + from_rows_.weight.size()));
    }

   private:
    /// One level of one way.
    struct stage {
      std::vector<transfusion::layer::residual_block<Exec>> blocks;
      std::vector<transfusion::layer::image_attention<Exec>> attentions;  ///< one a block, or none
      std::optional<transfusion::layer::convolution<Exec>> resize;        ///< to the next level of this way

      var<Exec> run(tape<Exec>& tape, std::size_t b, var<Exec> x, var<Exec> time, const pixel_level& level) const {
        const auto h = blocks[b](tape, x, time, level);
        return attentions.empty() ? h : attentions[b](tape, h, level);
      }

      /// Of the blocks for one image of so many pixels: 2 a weight and pixel, 4 a pair of pixels and channel.
      double flops(double pixels) const {
        double weights = 0, pairs = 0;
        for (const auto& b : blocks) {
          const index_t all = b.conv_in.weight.size() + b.conv_out.weight.size();
          weights += static_cast<double>(b.shortcut ? all + b.shortcut->weight.size() : all);
        }
        for (const auto& a : attentions) {
          weights += 4 * static_cast<double>(a.query.weight.size());
          pairs += static_cast<double>(a.query.weight.rows());
        }
        return 2 * weights * pixels + 4 * pairs * pixels * pixels;
      }
    };

    index_t taps() const { return along(sizes_.axes, 3).size(); }
    index_t last_channels() const { return channels_at(sizes_, sizes_.levels() - 1); }

    /// The way up takes the maps of the way down from the last to the first, one a block.
    void declare_stages(parameter_set<Exec>& set, const std::string& name) {
      std::vector<index_t> maps{channels_at(sizes_, 0)};
      const index_t levels = sizes_.levels();
      for (index_t l = 0; l < levels; ++l) {
        const std::string at = name + ".down." + std::to_string(l);
        stage& s = down_.emplace_back();
        for (index_t b = 0; b < sizes_.blocks; ++b) {
          declare_block(set, at + "." + std::to_string(b), s, l, maps.back());
          maps.push_back(channels_at(sizes_, l));
        }
        if (l + 1 == levels) break;
        s.resize.emplace(set, at + ".halve", taps(), maps.back(), maps.back());
        maps.push_back(maps.back());
      }
      up_.resize(static_cast<std::size_t>(levels));
      index_t channels = last_channels();
      for (index_t l = levels; l-- > 0;) {
        const std::string at = name + ".up." + std::to_string(l);
        stage& s = up_[static_cast<std::size_t>(l)];
        for (index_t b = 0; b <= sizes_.blocks; ++b) {
          declare_block(set, at + "." + std::to_string(b), s, l, channels + maps.back());
          maps.pop_back();
          channels = channels_at(sizes_, l);
        }
        if (l > 0) s.resize.emplace(set, at + ".double", taps(), channels, channels);
      }
    }

    void declare_block(parameter_set<Exec>& set, const std::string& name, stage& s, index_t l, index_t in) const {
      const index_t out = channels_at(sizes_, l);
      s.blocks.emplace_back(set, name, taps(), in, out, sizes_.time_width, sizes_.groups);
      if (l + 1 == sizes_.levels())
        s.attentions.emplace_back(set, name + ".attention", out, sizes_.heads, sizes_.groups);
    }

    static view<const image_place, 1> pixels_of(tape<Exec>& tape, const image_batch<Exec>& x) {
      auto places = tape.template list<image_place>(static_cast<index_t>(x.shapes.size()));
      index_t pixels = 0;
      for (const image_place& i : x.shapes) {
        places.push_back({i.first_value, pixels, i.shape});
        pixels += i.shape.size() / i.shape.channels;
      }
      return tape.upload(places);
    }

    options sizes_;
    mutable pixel_pyramid pyramid_;  ///< keeps nothing between passes but its memory
    transfusion::layer::timestep_mlp<Exec> time_;
    transfusion::layer::convolution<Exec> in_;
    transfusion::layer::linear<Exec> to_rows_, from_rows_;
    transfusion::layer::group_norm<Exec> norm_;
    transfusion::layer::convolution<Exec> out_;
    std::vector<stage> down_, up_;  ///< by level
  };

 private:
  static index_t channels_at(const options& o, index_t level) {
    return o.level_channels[static_cast<std::size_t>(level)];
  }
  /// `extent` along each of the axes, 1 along the others.
  static constexpr patch_shape along(index_t axes, index_t extent) {
    return {axes >= 2 ? extent : 1, extent, axes >= 3 ? extent : 1};
  }
};

/// A U-Net of 0.27 B parameters around latents of 8 channels, the paper's size (§4.1) whatever the width of the
/// transformer. The paper states no layout; this one gives 257 M at width 768 and 266 M at 4096 for patch 2. Each
/// further halving adds a level of 320 channels, about 16 M.
inline unet::options paper_unet(index_t patch = 2) {
  unet::options o{.channels = 8, .patch = patch, .groups = 32, .heads = 20, .time_width = 1280};
  o.level_channels.fill(320);
  unet::require_valid(o);
  o.level_channels[static_cast<std::size_t>(o.levels() - 1)] = 1280;
  return o;
}
inline unet::options unet::paper_options() { return paper_unet(); }

}  // namespace transfusion::codec
