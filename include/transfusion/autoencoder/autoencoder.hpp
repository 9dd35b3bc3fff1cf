// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "transfusion/autoencoder/bottleneck.hpp"
#include "transfusion/autoencoder/codebook.hpp"
#include "transfusion/autoencoder/coder.hpp"
#include "transfusion/autoencoder/gaussian.hpp"
#include "transfusion/exec/concepts.hpp"
#include "transfusion/layer/linear.hpp"

namespace transfusion {

/// What one training pass of an autoencoder makes of its images.
template <class Exec>
struct reconstruction {
  var<Exec> encoded;                   ///< [P, the bottleneck's width]
  bottleneck_result<Exec> bottleneck;  ///< its loss is placed
  var<Exec> hidden;                    ///< [N, finest channels]; before the decoder's last convolution
  var<Exec> pixels;                    ///< [N, C]
};

/// A convolutional encoder and decoder with a bottleneck between them: `vae` and `vq_vae` are the paper's (§4.1,
/// appendix A). Images are any that the downsampling divides, of any sizes in one pass.
template <class Bottleneck, execution_policy Exec>
class autoencoder {
 public:
  using exec_type = Exec;
  using real = typename Exec::real;
  using bottleneck_type = Bottleneck;

  /// Throws config_error naming the option, the value found and the value expected.
  autoencoder(Exec& exec, const autoencoder_options& sizes, std::uint64_t seed,
              const typename Bottleneck::options& bottleneck = {})
      : exec_(&exec),
        sizes_((require_valid(sizes), sizes)),
        bottleneck_options_(bottleneck),
        pyramid_(detail::along_axes(sizes.axes, 3), detail::along_axes(sizes.axes, 2), sizes.levels()),
        bottleneck_(parameters_, "bottleneck", bottleneck, sizes.latent_channels),
        encoder_(parameters_, "encoder", sizes, encoded_width()),
        to_latent_(parameters_, "to_latent", encoded_width(), encoded_width(), bias::on,
                   initial_value::keeping_size(encoded_width())),
        from_latent_(parameters_, "from_latent", sizes.latent_channels, sizes.latent_channels, bias::on,
                     initial_value::keeping_size(sizes.latent_channels)),
        decoder_(parameters_, "decoder", sizes) {
    static_assert(autoencoder_bottleneck<Bottleneck, Exec>);
    parameters_.allocate(exec, seed);
  }
  autoencoder(const autoencoder&) = delete;
  autoencoder& operator=(const autoencoder&) = delete;

  /// Images on the device; throws as upload_images.
  pixel_batch<Exec> upload(tape<Exec>& tape, std::span<const image> images) const {
    return upload_images(tape, pyramid_, images, sizes_);
  }
  /// A pass that will decode images of these shapes: it has places, but no values.
  pixel_batch<Exec> upload(tape<Exec>& tape, std::span<const image_shape> shapes) const {
    const auto places = places_of(tape, shapes);
    return {places, tape.upload(places), {}, pyramid_.build(tape, places), {}};
  }

  /// What the bottleneck takes: [P, its width].
  var<Exec> encode(tape<Exec>& tape, const pixel_batch<Exec>& x) const {
    return to_latent_(tape, encoder_(tape, x.rows, x.levels));
  }
  /// Pixels [N, C] of latents [P, latent channels].
  var<Exec> decode(tape<Exec>& tape, var<Exec> latents, const pixel_batch<Exec>& x) const {
    return last(tape, decode_hidden(tape, latents, x), x);
  }

  /// There and back, as in training. weight: of the bottleneck's loss in the mean over images; a root. key: of its
  /// noise.
  reconstruction<Exec> reconstruct(tape<Exec>& tape, const pixel_batch<Exec>& x, double weight, random_key key) const {
    const auto encoded = encode(tape, x);
    const auto through = bottleneck_(tape, encoded, x, weight, key);
    const auto hidden = decode_hidden(tape, through.latents, x);
    return {encoded, through, hidden, last(tape, hidden, x)};
  }

  Exec& exec() const { return *exec_; }
  parameter_set<Exec>& parameters() { return parameters_; }
  const autoencoder_options& options() const { return sizes_; }
  const typename Bottleneck::options& bottleneck_options() const { return bottleneck_options_; }
  const typename Bottleneck::template layer<Exec>& bottleneck() const { return bottleneck_; }
  /// Of the decoder: what its last convolution weighs.
  const layer::convolution<Exec>& last_layer() const { return decoder_.last(); }

 private:
  index_t encoded_width() const { return Bottleneck::template layer<Exec>::width(sizes_.latent_channels); }
  var<Exec> decode_hidden(tape<Exec>& tape, var<Exec> latents, const pixel_batch<Exec>& x) const {
    return decoder_.hidden(tape, from_latent_(tape, latents), x.levels);
  }
  var<Exec> last(tape<Exec>& tape, var<Exec> hidden, const pixel_batch<Exec>& x) const {
    return decoder_.last()(tape, hidden, x.levels.front().window);
  }

  Exec* exec_;
  autoencoder_options sizes_;
  typename Bottleneck::options bottleneck_options_;
  mutable pixel_pyramid pyramid_;  ///< keeps nothing between passes but its memory
  parameter_set<Exec> parameters_;
  typename Bottleneck::template layer<Exec> bottleneck_;
  layer::image_encoder<Exec> encoder_;
  layer::linear<Exec> to_latent_, from_latent_;
  layer::image_decoder<Exec> decoder_;
};

template <execution_policy Exec>
using vae = autoencoder<bottleneck::gaussian, Exec>;
template <execution_policy Exec>
using vq_vae = autoencoder<bottleneck::codebook, Exec>;

}  // namespace transfusion
