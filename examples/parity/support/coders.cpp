// SPDX-License-Identifier: Apache-2.0
#include "parity/support/coders.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "parity/support/corpus.hpp"
#include "support/strip.hpp"
#include "support/training.hpp"
#include "transfusion/autoencoder.hpp"

namespace parity {

namespace {

constexpr index_t chunk = 64;  // scenes at a time: bounds the memory of a pass

tf::autoencoder_options sizes_of(const settings& s) {
  const index_t c = s.coder_channels;
  return {.channels = 3,
          .latent_channels = s.latent_channels,
          .level_channels = {c, 2 * c, 2 * c},
          .blocks = s.coder_blocks,
          .groups = 4};
}

tf::autoencoder_training training_of(const settings& s) {
  tf::autoencoder_training o;
  o.steps = s.coder_steps;
  o.peak_rate = s.coder_rate;
  o.last_rate = s.coder_rate / 50;
  o.warmup = std::min<index_t>(100, s.coder_steps / 10);
  o.optimiser.ema_decay = std::min(0.999, 1 - 10.0 / static_cast<double>(s.coder_steps + 10));
  o.adversarial_from = s.coder_steps;  // no discriminator: edges of flat shapes need none
  o.restart_codes_after = std::max<index_t>(1, std::min<index_t>(50, s.coder_steps / 10));
  o.seed = s.seed;
  return o;
}

template <class Bottleneck>
typename Bottleneck::options bottleneck_of(const settings& s) {
  typename Bottleneck::options o;
  if constexpr (requires { o.codes; }) o.codes = s.codes;
  return o;
}

/// Peak signal to noise ratio of all values together, in [−1, 1], in decibels.
double pooled_psnr(const std::vector<tf::image>& a, const std::vector<tf::image>& b) {
  double squares = 0, count = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t v = 0; v < a[i].values.size(); ++v) {
      const double apart = a[i].values[v] - std::clamp(b[i].values[v], -1.0f, 1.0f);
      squares += apart * apart;
      count += 1;
    }
  return 10 * std::log10(4 * count / squares);
}

/// What stands in its JSON file, of scenes that were not trained on.
void measure(nlohmann::json& json, const coder& c, const settings& s, eyes& seen, const std::filesystem::path& strip) {
  std::vector<tf::image> shown, made;
  std::vector<scenes::prompt> words;
  for (index_t i = 0; i < s.drawn; ++i) {
    const auto scene = held_out(s, i);
    shown.push_back(draw(scene.shown, settings::side));
    words.push_back(scene.words);
  }
  made = c.decode(c.encode(shown));
  json["psnr"] = pooled_psnr(shown, made);
  json["frechet"] = seen.frechet(made);
  double right = 0;
  for (std::size_t i = 0; i < made.size(); ++i) right += is_right(words[i], made[i]) ? 1 : 0;
  json["right"] = right / static_cast<double>(made.size());
  std::vector<tf::image> some(shown.begin(), shown.begin() + 12);
  some.insert(some.end(), made.begin(), made.begin() + 12);
  support::save_strip(strip, some);
}

template <class Bottleneck, class Exec>
void train(Exec& e, const settings& s, const std::filesystem::path& file, nlohmann::json& json) {
  using model = tf::autoencoder<Bottleneck, Exec>;
  const auto scenes_of = [&](index_t step) { return training_pictures(s, step * s.coder_scenes, s.coder_scenes); };
  model m(e, sizes_of(s), s.seed, bottleneck_of<Bottleneck>(s));
  tf::autoencoder_trainer<model> trainer(m, training_of(s));
  const support::stopwatch watch;
  trainer.run(scenes_of, [&](const tf::autoencoder_report& r) {
    json["absolute"] = r.absolute;
    json["codes_used"] = r.codes_used;
    json["code_perplexity"] = r.code_perplexity;
  });
  json["seconds"] = watch.seconds();
  json["parameters"] = m.parameters().count();
  const tf::averaged_weights<Exec> averaged(e, m.parameters(), trainer.optimiser());
  tf::save_autoencoder(file, m);
  if constexpr (!requires(const typename Bottleneck::options& o) { o.codes; }) {
    const tf::frozen_autoencoder<Bottleneck, Exec> frozen(e, file);
    tf::save_autoencoder(file, m, tf::measure_scale(frozen, 8, scenes_of));
  }
}

/// Passes of bounded size.
template <class F>
coder::many in_chunks(F f) {
  return [f](const std::vector<tf::image>& all) {
    std::vector<tf::image> results;
    for (std::size_t begin = 0; begin < all.size(); begin += chunk)
      for (tf::image& i : f(std::span(all).subspan(begin, std::min<std::size_t>(chunk, all.size() - begin))))
        results.push_back(std::move(i));
    return results;
  };
}

template <class Bottleneck, class Exec>
coder stored_or_trained(Exec& e, const settings& s, const support::json_store& store, const std::string& name,
                        eyes& seen) {
  const auto file = store.folder() / (name + ".safetensors");
  const bool stored = store.find(name, s.of_coders()).has_value() && std::filesystem::exists(file);
  nlohmann::json json{{"settings", s.of_coders()}};
  if (!stored) train<Bottleneck>(e, s, file, json);
  const auto frozen = std::make_shared<const tf::frozen_autoencoder<Bottleneck, Exec>>(e, file);
  const coder c{in_chunks([frozen](std::span<const tf::image> some) { return frozen->encode(some); }),
                in_chunks([frozen](std::span<const tf::image> some) { return frozen->decode(some); })};
  if (stored) return c;
  measure(json, c, s, seen, store.folder() / (name + ".png"));
  store.put(name, json);
  return c;
}

}  // namespace

template <class Exec>
coder vae_coder(Exec& e, const settings& s, const support::json_store& store, eyes& seen) {
  return stored_or_trained<tf::bottleneck::gaussian>(e, s, store, vae_name, seen);
}
template <class Exec>
coder vq_coder(Exec& e, const settings& s, const support::json_store& store, eyes& seen) {
  return stored_or_trained<tf::bottleneck::codebook>(e, s, store, vq_name, seen);
}

template coder vae_coder(support::cpu_policy&, const settings&, const support::json_store&, eyes&);
template coder vq_coder(support::cpu_policy&, const settings&, const support::json_store&, eyes&);
#if TRANSFUSION_HAS_CUDA
template coder vae_coder(support::cuda_policy&, const settings&, const support::json_store&, eyes&);
template coder vq_coder(support::cuda_policy&, const settings&, const support::json_store&, eyes&);
#endif

}  // namespace parity
