// SPDX-License-Identifier: Apache-2.0
#include "emoji/support/coder.hpp"

#include <algorithm>

#include "emoji/support/stage_run.hpp"
#include "transfusion/autoencoder/trainer.hpp"

namespace emoji {

namespace {

constexpr index_t batch = 4;  // many steps tell more than large ones in a run of minutes
constexpr std::size_t at_once = 32;

template <class Exec>
using trainer = tf::autoencoder_trainer<tf::vae<Exec>, tf::vgg<Exec>>;

/// A run of minutes: higher rates and shorter memories than latent diffusion's, and no discriminator, which would trade
/// the error of pixels for sharpness. The divergence is weighed more, for latents that are easier to draw.
tf::autoencoder_training short_run(index_t steps, std::uint64_t seed) {
  tf::autoencoder_training o;
  o.steps = steps;
  o.peak_rate = 2e-3;
  o.last_rate = 2e-5;
  o.warmup = std::min<index_t>(50, steps / 10);
  o.optimiser = {.beta1 = 0.9, .beta2 = 0.99, .weight_decay = 0, .max_norm = 1, .ema_decay = 0.99};
  o.perceptual_weight = 0.02;
  o.bottleneck_weight = 1e-3;
  o.adversarial_from = steps;
  o.seed = seed;
  return o;
}

std::vector<tf::image> views(const data& d, index_t step, std::uint64_t seed) {
  const tf::data_order order(seed, static_cast<index_t>(d.training().size()));
  const tf::random_key key{seed, static_cast<std::uint32_t>(step), tf::stream::document_order};
  std::vector<tf::image> some;
  for (index_t i = 0; i < batch; ++i)
    some.push_back(
        d.view(d.training()[static_cast<std::size_t>(order(step * batch + i))], key, static_cast<std::uint64_t>(i)));
  return some;
}

}  // namespace

tf::autoencoder_options coder_sizes(index_t latent_channels) {
  return {.channels = 3, .latent_channels = latent_channels, .level_channels = {16, 32, 64}, .blocks = 1, .groups = 8};
}

void require_fitting(const std::filesystem::path& file, index_t latent_channels) {
  const auto stored = tf::read_autoencoder<tf::bottleneck::gaussian>(tf::safetensors_file(file));
  tf::latent_shape(picture_shape, stored.sizes);
  tf::require<tf::config_error>(stored.sizes.latent_channels == latent_channels, file.string(),
                                ": latent channels: found ", stored.sizes.latent_channels, ", expected ",
                                latent_channels, ", those of the codec (--latent-channels)");
  tf::require<tf::config_error>(stored.scale.has_value(), file.string(),
                                ": found no scale of the latents, expected one (measure_scale)");
}

template <class Exec>
void train_coder(Exec& e, const data& d, const classifier<Exec>& judge, const settings& s) {
  const stage to = s.vae_stage();
  const auto sizes = coder_sizes(s.latent_channels);
  const auto views_of = [&](index_t step) { return views(d, step, s.seed); };
  stage_run run(to, s, [&] {
    tf::vae<Exec> scratch(e, sizes, s.seed);
    trainer<Exec> timed(scratch, short_run(100, s.seed), judge.body());
    return steps_in(s.autoencoder, [&](index_t i) { timed.step(views_of(i)); });
  });
  auto options = short_run(run.steps(), s.seed);
  options.log_path = to.beside("csv").string();
  options.checkpoint_path = to.part().string();
  options.checkpoint_every = run.checkpoint_every();
  auto model = std::make_unique<tf::vae<Exec>>(e, sizes, s.seed);
  {
    trainer<Exec> training(*model, options, judge.body());
    if (run.goes_on()) training.resume(options.checkpoint_path);
    training.run(views_of, [&](const auto& step) { run.did(step.step, batch); });
  }
  load_weights(tf::safetensors_file(to.part()), *model);  // the averaged ones

  const coder<Exec> unscaled(std::move(model));
  const auto count = static_cast<index_t>(d.training().size());
  const auto scale = measure_scale(unscaled, (count + batch - 1) / batch, [&](index_t b) {
    std::vector<tf::image> pictures;
    for (index_t i = b * batch; i < std::min(count, (b + 1) * batch); ++i)
      pictures.push_back(d.picture(d.training()[static_cast<std::size_t>(i)]));
    return pictures;
  });
  run.end(unscaled.model().parameters().count());
  save_autoencoder(to.file, unscaled.model(), scale, to.metadata());
}

template <class Exec>
std::vector<tf::image> decoded(const coder<Exec>& c, const std::vector<tf::image>& latents) {
  std::vector<tf::image> pictures;
  for (std::size_t begin = 0; begin < latents.size(); begin += at_once)
    for (tf::image& i : c.decode(std::span(latents).subspan(begin, std::min(at_once, latents.size() - begin)))) {
      for (float& v : i.values) v = std::clamp(v, -1.0f, 1.0f);
      pictures.push_back(std::move(i));
    }
  return pictures;
}

template void train_coder(support::cpu_policy&, const data&, const classifier<support::cpu_policy>&, const settings&);
template std::vector<tf::image> decoded(const coder<support::cpu_policy>&, const std::vector<tf::image>&);
#if TRANSFUSION_HAS_CUDA
template void train_coder(support::cuda_policy&, const data&, const classifier<support::cuda_policy>&, const settings&);
template std::vector<tf::image> decoded(const coder<support::cuda_policy>&, const std::vector<tf::image>&);
#endif

}  // namespace emoji
