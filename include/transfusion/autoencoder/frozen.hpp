// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "transfusion/autograd/op/patchify.hpp"
#include "transfusion/io/autoencoder_file.hpp"

namespace transfusion {

/// A trained autoencoder that no longer changes, in front of any codec (a codec::outer_coder): images in, images out.
/// With the VAE's bottleneck a latent holds means [latent channels, Z, H, W], scaled where the file has a scale; with a
/// codebook it holds codes [1, Z, H, W], for codec::codes.
template <class Bottleneck, execution_policy Exec>
class frozen_autoencoder {
 public:
  static constexpr bool discrete = requires(const typename Bottleneck::options& o) { o.codes; };

  /// Reads it from its file. Throws format_error on a file that does not fit.
  frozen_autoencoder(Exec& exec, const std::filesystem::path& path)
      : frozen_autoencoder(exec, safetensors_file(path)) {}

  /// Takes over a model that was trained here, with the weights that it has: a file has the averaged ones.
  frozen_autoencoder(std::unique_ptr<autoencoder<Bottleneck, Exec>> model, std::optional<latent_scale> scale = {})
      : model_(std::move(model)), scale_(std::move(scale)), tape_(model_->exec(), recording::off) {
    if (!scale_) return;
    require<config_error>(!discrete, "autoencoder: found a scale for latents that are codes, expected none");
    scale_->require_valid(options().latent_channels);
  }

  const autoencoder_options& options() const { return model_->options(); }
  autoencoder<Bottleneck, Exec>& model() const { return *model_; }
  const std::optional<latent_scale>& scale() const { return scale_; }

  /// Channels of a latent: what the codec behind it is told.
  index_t channels() const { return discrete ? 1 : options().latent_channels; }
  /// Throws config_error where a codec expects other channels than the latents have.
  void require_channels(index_t found) const {
    require<config_error>(found == channels(), "codec.channels: found ", found, ", expected ", channels(),
                          ", the channels of the autoencoder's latents");
  }

  /// The latents of images before they are worked out: shape, modality and context. Throws shape_error on an image that
  /// does not fit the autoencoder.
  std::vector<image> without_values(std::span<const image> images) const {
    std::vector<image> latents;
    for (const image& i : images) {
      image_shape shape = latent_shape(i.shape, options());
      shape.channels = channels();
      require_extent("autoencoder: image values", static_cast<index_t>(i.values.size()), i.shape.size());
      latents.push_back({shape, {}, i.modality, i.context});
    }
    return latents;
  }

  /// The latents of images of any shapes, in one pass. Modality and context stay.
  std::vector<image> encode(std::span<const image> images) const {
    tape_.reset();
    const auto x = model_->upload(tape_, images);
    const auto encoded = model_->encode(tape_, x);
    std::vector<image> latents = without_values(images);
    if constexpr (discrete)
      read_codes(latents, model_->bottleneck().find(tape_, encoded));
    else
      read_values(latents, model_->bottleneck().latents(tape_, encoded));
    if (scale_)
      for (image& l : latents) scale_->apply(l);
    return latents;
  }
  image encode(const image& i) const { return std::move(encode(std::span(&i, 1)).front()); }

  /// The images of latents, in one pass. Throws shape_error on other channels, config_error on a code that is no whole
  /// number of the codebook.
  std::vector<image> decode(std::span<const image> latents) const {
    tape_.reset();
    std::vector<image> images;
    std::vector<image_shape> shapes;
    for (const image& l : latents) {
      shapes.push_back(decoded_shape(l.shape));
      require_extent("autoencoder: latent values", static_cast<index_t>(l.values.size()), l.shape.size());
      images.push_back({shapes.back(), {}, l.modality, l.context});
    }
    require<config_error>(!latents.empty(), "autoencoder: found no latents, expected one at least");
    const auto x = model_->upload(tape_, std::span<const image_shape>(shapes));
    read_values(images, model_->decode(tape_, latent_rows(latents), x));
    return images;
  }
  image decode(const image& l) const { return std::move(decode(std::span(&l, 1)).front()); }

 private:
  using real = typename Exec::real;

  frozen_autoencoder(Exec& exec, const safetensors_file& file)
      : frozen_autoencoder(exec, file, read_autoencoder<Bottleneck>(file)) {}
  frozen_autoencoder(Exec& exec, const safetensors_file& file, const stored_autoencoder<Bottleneck>& stored)
      : frozen_autoencoder(std::make_unique<autoencoder<Bottleneck, Exec>>(exec, stored.sizes, 0, stored.bottleneck),
                           stored.scale) {
    load_weights(file, *model_);
  }

  image_shape decoded_shape(image_shape s) const {
    require_extent("autoencoder: latent channels", s.channels, channels());
    const patch_shape by = detail::along_axes(options().axes, options().downsampling());
    return {options().channels, s.height * by.height, s.width * by.width, s.depth * by.depth};
  }

  /// Rows of pixels, image after image, into the images' values [C, Z, H, W].
  void read_values(std::vector<image>& images, var<Exec> rows) const {
    std::vector<image_shape> shapes;
    for (const image& i : images) shapes.push_back(i.shape);
    const auto places = places_of(tape_, std::span<const image_shape>(shapes));
    const auto flat = unpatchify(tape_, rows, tape_.upload(places), {}, rows.value().size());
    const auto wide = tape_.saved_real(flat.value().size());
    model_->exec().widen(wide, flat.value().flat());
    std::vector<real> host(static_cast<std::size_t>(wide.size()));
    model_->exec().download(host.data(), wide.data, host.size() * sizeof(real));
    auto value = host.begin();
    for (image& i : images)
      for (index_t n = 0; n < i.shape.size(); ++n) i.values.push_back(static_cast<float>(*value++));
  }
  void read_codes(std::vector<image>& latents, view<const token_t, 1> codes) const {
    std::vector<token_t> host(static_cast<std::size_t>(codes.size()));
    model_->exec().download(host.data(), codes.data, host.size() * sizeof(token_t));
    auto code = host.begin();
    for (image& l : latents)
      for (index_t n = 0; n < l.shape.size(); ++n) l.values.push_back(static_cast<float>(*code++));
  }

  /// The decoder's input, in the policy's memory.
  var<Exec> latent_rows(std::span<const image> latents) const {
    if constexpr (discrete) {
      std::vector<token_t> codes;
      for (const image& l : latents)
        for (float v : l.values) {
          require<config_error>(
              v >= 0 && v < static_cast<float>(model_->bottleneck_options().codes) && v == std::floor(v),
              "autoencoder: code: found ", v, ", expected a whole number below ", model_->bottleneck_options().codes);
          codes.push_back(static_cast<token_t>(v));
        }
      return embedding(tape_, tape_.upload(codes), model_->bottleneck().codes);
    } else {
      std::vector<real> values;
      std::vector<image_shape> shapes;
      index_t pixels = 0;
      for (image l : latents) {
        if (scale_) scale_->undo(l);
        values.insert(values.end(), l.values.begin(), l.values.end());
        shapes.push_back(l.shape);
        pixels += l.shape.size() / l.shape.channels;
      }
      const auto places = places_of(tape_, std::span<const image_shape>(shapes));
      return patchify(tape_, tape_.upload(values), tape_.upload(places), pixels, {}, channels());
    }
  }

  std::unique_ptr<autoencoder<Bottleneck, Exec>> model_;
  std::optional<latent_scale> scale_;
  mutable tape<Exec> tape_;  ///< keeps nothing between passes but its memory
};

/// The scale of the latents of a set, batch by batch: images_of(batch) for batch 0 to `batches` - 1. Throws
/// config_error where the coder has a scale already.
template <class Bottleneck, class Exec, class Source>
latent_scale measure_scale(const frozen_autoencoder<Bottleneck, Exec>& coder, index_t batches, Source&& images_of) {
  static_assert(!frozen_autoencoder<Bottleneck, Exec>::discrete, "latents that are codes have no scale");
  require<config_error>(!coder.scale(), "autoencoder: found latents that are scaled already, expected plain ones");
  latent_statistics statistics(coder.channels());
  for (index_t b = 0; b < batches; ++b) {
    const std::vector<image> images = images_of(b);
    for (const image& latent : coder.encode(std::span<const image>(images))) statistics.add(latent);
  }
  return statistics.scale();
}

}  // namespace transfusion
