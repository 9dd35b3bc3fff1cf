// SPDX-License-Identifier: Apache-2.0
#include "demo/support/training.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "transfusion/metric/flops.hpp"

namespace fashion {

namespace {

tf::train_options options_of(const settings& common, const training_settings& how, index_t steps) {
  tf::train_options o;
  o.steps = steps;
  o.peak_rate = how.rate;
  o.last_rate = how.rate / 50;
  o.warmup = std::min<index_t>(100, steps / 10);
  o.optimiser.beta2 = 0.99;
  o.optimiser.weight_decay = 0.05;
  o.optimiser.ema_decay = 0.999;
  o.seed = common.seed;
  return o;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// How many steps fit into the minutes: a scratch model is timed for a moment.
index_t steps_that_fit(exec& e, const data& d, const settings& common, const training_settings& how) {
  constexpr index_t warm = 3, timed = 12;
  model scratch(e, how.sizes(), common.seed);
  tf::trainer<model> trainer(scratch, options_of(common, how, warm + timed));
  auto begin = std::chrono::steady_clock::now();
  for (index_t step = 0; step < warm + timed; ++step) {
    if (step == warm) begin = std::chrono::steady_clock::now();
    trainer.step(d.documents(step, how.pairs, common.seed));
  }
  return std::max<index_t>(1, static_cast<index_t>(60 * how.minutes / (seconds_since(begin) / timed)));
}

}  // namespace

void settings::add_to(CLI::App& app) {
  app.add_option("--data", data_folder, "Folder with the four gzip'd IDX files of Fashion-MNIST")
      ->capture_default_str();
  app.add_option("--threads", threads, "CPU threads; 0: all cores")->capture_default_str();
  app.add_option("--seed", seed, "Seed of weights, data order and noise")->capture_default_str();
}

void training_settings::add_to(CLI::App& app) {
  app.add_option("--steps", steps, "Optimiser steps; 0: as many as fit into --minutes")->capture_default_str();
  app.add_option("--minutes", minutes, "Time to train where --steps is not given")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--pairs", pairs, "Picture-caption pairs a step")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--rate", rate, "Peak learning rate")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--layers", layers, "Transformer blocks")->capture_default_str();
  app.add_option("--width", width, "Width of the transformer")->capture_default_str();
  app.add_option("--heads", heads, "Attention heads")->capture_default_str();
  app.add_option("--patch", patch, "Side of a patch in pixels")->capture_default_str();
}

config training_settings::sizes() const {
  config c = default_config();
  c.layers = layers;
  c.width = width;
  c.heads = heads;
  c.codec.patch = patch;
  return c;
}

training_summary train(exec& e, const data& d, const settings& common, const training_settings& how,
                       const std::filesystem::path& checkpoint, const std::filesystem::path& log) {
  const index_t steps = how.steps > 0 ? how.steps : steps_that_fit(e, d, common, how);
  tf::train_options options = options_of(common, how, steps);
  options.checkpoint_path = checkpoint.string();
  options.log_path = log.string();
  options.checkpoint_every = std::max<index_t>(1, steps / 5);
  model m(e, how.sizes(), common.seed);
  tf::trainer<model> trainer(m, options);
  trainer.set_metadata({{"vocabulary", vocabulary().to_json()}});
  if (how.resume) trainer.resume(checkpoint.string());

  const index_t first = trainer.next_step();
  double flops = 0;
  index_t tokens = 0;
  const auto begin = std::chrono::steady_clock::now();
  trainer.run([&](index_t step) {
    auto documents = d.documents(step, how.pairs, common.seed);
    const auto batch = m.pack(documents);
    flops += tf::training_flops(m, batch);
    tokens += batch.rows();
    return documents;
  });
  const double seconds = seconds_since(begin);
  return {steps,   (steps - first) * how.pairs,           m.parameters().count(),
          seconds, static_cast<double>(tokens) / seconds, flops / seconds / 1e9};
}

model load(exec& e, const std::filesystem::path& checkpoint) {
  const tf::safetensors_file file(checkpoint);
  model m(e, tf::read_config<recipe>(file), 0);
  tf::load_weights(file, m);
  return m;
}

}  // namespace fashion
