// SPDX-License-Identifier: Apache-2.0
#include "parity/support/coders.hpp"

#include <algorithm>
#include <filesystem>
#include <span>

#include "parity/support/corpus.hpp"
#include "support/strip.hpp"
#include "transfusion/autoencoder.hpp"
#include "transfusion/metric/psnr.hpp"

namespace parity {
namespace fs = std::filesystem;

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

/// What stands in its JSON file, of scenes that were not trained on.
void measure(nlohmann::json& json, const coder& c, const settings& s, eyes& seen, const fs::path& strip) {
  std::vector<tf::image> shown, made;
  std::vector<scenes::prompt> words;
  for (index_t i = 0; i < s.drawn; ++i) {
    const auto scene = held_out(s, i);
    shown.push_back(draw(scene.shown, settings::side));
    words.push_back(scene.words);
  }
  made = c.decode(c.encode(shown));
  json["psnr"] = tf::psnr(made, shown);
  const auto distance = seen.frechet(made);
  json["frechet"] = distance.value;
  json["frechet_error"] = distance.standard_error;
  double right = 0;
  for (std::size_t i = 0; i < made.size(); ++i) right += is_right(words[i], made[i]) ? 1 : 0;
  json["right"] = right / static_cast<double>(made.size());
  std::vector<tf::image> some(shown.begin(), shown.begin() + 12);
  some.insert(some.end(), made.begin(), made.begin() + 12);
  support::save_strip(strip, some);
}

/// Of a training that is not finished: its settings and its checkpoint.
std::string part_of(const std::string& name) { return name + ".part"; }
fs::path checkpoint_of(const support::json_store& store, const std::string& name) {
  return store.folder() / (part_of(name) + ".safetensors");
}

/// Trains from where the training was broken off, or from the beginning, and leaves the autoencoder in the file.
template <class Bottleneck, class Exec>
void train(Exec& e, const settings& s, const support::json_store& store, const std::string& name, const fs::path& file,
           const step_watch& watch, nlohmann::json& json) {
  using model = tf::autoencoder<Bottleneck, Exec>;
  constexpr index_t recent = 100;  // steps in which a code is in use
  const auto scenes_of = [&](index_t step) { return training_pictures(s, step * s.coder_scenes, s.coder_scenes); };
  model m(e, sizes_of(s), s.seed, bottleneck_of<Bottleneck>(s));
  tf::autoencoder_training options = training_of(s);
  options.checkpoint_path = checkpoint_of(store, name).string();
  options.checkpoint_every = std::max<index_t>(1, options.steps / 5);
  tf::autoencoder_trainer<model> trainer(m, options);
  if (store.find(part_of(name), s.of_coders()) && fs::exists(options.checkpoint_path))
    trainer.resume(options.checkpoint_path);
  else
    fs::remove(options.checkpoint_path);
  store.put(part_of(name), {{"settings", s.of_coders()}});
  trainer.run(scenes_of, [&](const tf::autoencoder_report& r) {
    if (watch) watch(r.step + 1, r.absolute);
  });
  json["parameters"] = m.parameters().count();
  const tf::averaged_weights<Exec> averaged(e, m.parameters(), trainer.optimiser());
  tf::save_autoencoder(file, m);
  if constexpr (requires(const typename Bottleneck::options& o) { o.codes; }) {
    const double used = static_cast<double>(trainer.codes().read(options.steps - 1, recent));
    json["codes_used"] = used / static_cast<double>(s.codes);
    json["code_perplexity"] = trainer.codes().perplexity();
  } else {
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
                        eyes& seen, const step_watch& watch) {
  const auto file = store.folder() / (name + ".safetensors");
  const bool stored = finished_coder(s, store, name).has_value() && fs::exists(file);
  nlohmann::json json{{"settings", s.of_coders()}};
  if (!stored) train<Bottleneck>(e, s, store, name, file, watch, json);
  const auto frozen = std::make_shared<const tf::frozen_autoencoder<Bottleneck, Exec>>(e, file);
  const coder c{in_chunks([frozen](std::span<const tf::image> some) { return frozen->encode(some); }),
                in_chunks([frozen](std::span<const tf::image> some) { return frozen->decode(some); })};
  if (!stored) {
    measure(json, c, s, seen, store.folder() / (name + ".png"));
    store.put(name, json);
  }
  fs::remove(checkpoint_of(store, name));
  fs::remove(store.file(part_of(name)));
  return c;
}

}  // namespace

std::optional<nlohmann::json> finished_coder(const settings& s, const support::json_store& store,
                                             const std::string& name) {
  auto json = store.find(name, s.of_coders());
  if (!json) store.find(part_of(name), s.of_coders());  // throws where it would not be gone on from
  return json;
}

template <class Exec>
coder vae_coder(Exec& e, const settings& s, const support::json_store& store, eyes& seen, const step_watch& watch) {
  return stored_or_trained<tf::bottleneck::gaussian>(e, s, store, vae_name, seen, watch);
}
template <class Exec>
coder vq_coder(Exec& e, const settings& s, const support::json_store& store, eyes& seen, const step_watch& watch) {
  return stored_or_trained<tf::bottleneck::codebook>(e, s, store, vq_name, seen, watch);
}

template coder vae_coder(support::cpu_policy&, const settings&, const support::json_store&, eyes&, const step_watch&);
template coder vq_coder(support::cpu_policy&, const settings&, const support::json_store&, eyes&, const step_watch&);
#if TRANSFUSION_HAS_CUDA
template coder vae_coder(support::cuda_policy&, const settings&, const support::json_store&, eyes&, const step_watch&);
template coder vq_coder(support::cuda_policy&, const settings&, const support::json_store&, eyes&, const step_watch&);
#endif

}  // namespace parity
