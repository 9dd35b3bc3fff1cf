// SPDX-License-Identifier: Apache-2.0
#include "demo/support/training.hpp"

#include <algorithm>

namespace fashion {

namespace {

constexpr const char* vocabulary_key = "vocabulary";

}  // namespace

void settings::add_to(CLI::App& app) {
  app.add_option("--data", data_folder, "Folder with the four gzip'd IDX files of Fashion-MNIST")
      ->capture_default_str();
  device.add_to(app);
  app.add_option("--seed", seed, "Seed of weights, data order and noise")->capture_default_str();
}

void training_settings::add_to(CLI::App& app) {
  auto* total = app.add_option("--steps", steps, "Optimiser steps; 0: as many as fit into --minutes")
                    ->capture_default_str()
                    ->check(CLI::NonNegativeNumber);
  app.add_option("--minutes", minutes, "Time to train where --steps is not given")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--pairs", pairs, "Picture-caption pairs a step")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--rate", rate, "Peak learning rate")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--layers", layers, "Transformer blocks")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--width", width, "Width of the transformer")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--heads", heads, "Attention heads")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--patch", patch, "Side of a patch in pixels")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_flag("--resume", resume, "Go on from the checkpoint; give the run's own --steps and --seed")->needs(total);
}

config training_settings::sizes() const {
  config c = default_config();
  c.layers = layers;
  c.width = width;
  c.heads = heads;
  c.codec.patch = patch;
  return c;
}

template <class Exec>
training_summary train(Exec& e, const data& d, const settings& common, const training_settings& how,
                       const std::filesystem::path& checkpoint, const std::filesystem::path& log) {
  const auto documents_of = [&](index_t step) { return d.documents(step, how.pairs, common.seed); };
  const index_t steps = how.steps > 0
                            ? how.steps
                            : support::steps_that_fit<model<Exec>>(how.minutes, e, how.sizes(), how.rate, documents_of);
  tf::train_options options = support::short_run(steps, how.rate, common.seed);
  options.checkpoint_path = checkpoint.string();
  options.log_path = log.string();
  options.checkpoint_every = std::max<index_t>(1, steps / 5);
  model<Exec> m(e, how.sizes(), common.seed);
  tf::trainer<model<Exec>> trainer(m, options);
  trainer.set_metadata({{vocabulary_key, vocabulary().to_json()}});
  if (how.resume) {
    trainer.resume(checkpoint.string());
    tf::require<tf::config_error>(how.steps > trainer.next_step(), "--steps: found ", how.steps,
                                  ", expected more than the ", trainer.next_step(), " that ", checkpoint.string(),
                                  " has done");
  }
  return support::run_counted(trainer, m, documents_of);
}

template <class Exec>
model<Exec> load(Exec& e, const std::filesystem::path& checkpoint) {
  const tf::safetensors_file file(checkpoint);
  const auto words = file.metadata().find(vocabulary_key);
  tf::require<tf::format_error>(words != file.metadata().end() && words->second == vocabulary().to_json(),
                                checkpoint.string(), ": metadata \"", vocabulary_key, "\": found ",
                                words == file.metadata().end() ? "none" : words->second, ", expected ",
                                vocabulary().to_json());
  model<Exec> m(e, tf::read_config<recipe>(file), 0);
  tf::load_weights(file, m);
  return m;
}

template training_summary train(support::cpu_policy&, const data&, const settings&, const training_settings&,
                                const std::filesystem::path&, const std::filesystem::path&);
template model<support::cpu_policy> load(support::cpu_policy&, const std::filesystem::path&);
#if TRANSFUSION_HAS_CUDA
template training_summary train(support::cuda_policy&, const data&, const settings&, const training_settings&,
                                const std::filesystem::path&, const std::filesystem::path&);
template model<support::cuda_policy> load(support::cuda_policy&, const std::filesystem::path&);
#endif

}  // namespace fashion
