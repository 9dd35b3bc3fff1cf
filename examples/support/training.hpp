// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "support/report.hpp"
#include "transfusion/train.hpp"

// How the examples train small models in minutes, whatever their data.
namespace support {
using transfusion::index_t;

/// Options for a small model and a run of minutes: shorter memories than the paper's, and averaged weights.
inline transfusion::train_options short_run(index_t steps, double rate, std::uint64_t seed) {
  transfusion::train_options o;
  o.steps = steps;
  o.peak_rate = rate;
  o.last_rate = rate / 50;
  o.warmup = std::min<index_t>(100, steps / 10);
  o.optimiser.beta2 = 0.99;
  o.optimiser.weight_decay = 0.05;
  o.optimiser.ema_decay = 0.999;
  o.seed = seed;
  return o;
}

/// How an example's small model is trained, and its sizes.
struct run_settings {
  index_t steps = 0;  ///< 0: as many as fit into `minutes`
  double minutes = 20;
  index_t pairs = 32;  ///< items with captions a step
  double rate = 2e-3;
  index_t layers = 4, width = 128, heads = 4;
  index_t patch = 4;                               ///< pixels a side
  double caption_dropout = 0.1, text_dropout = 0;  ///< as in train_options
  bool resume = false;

  void add_to(CLI::App& app);
};

/// A clock that runs from its making.
class stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// How many steps fit into the minutes, by timing a scratch model for a moment. At least 1.
template <class Model, class Source>
index_t steps_that_fit(double minutes, typename Model::exec_type& e, const typename Model::config_type& sizes,
                       double rate, Source documents_of) {
  constexpr index_t warm = 3, timed = 12;
  Model scratch(e, sizes, 0);
  transfusion::trainer<Model> trainer(scratch, short_run(warm + timed, rate, 0));
  for (index_t step = 0; step < warm; ++step) trainer.step(documents_of(step));
  const stopwatch watch;
  for (index_t step = warm; step < warm + timed; ++step) trainer.step(documents_of(step));
  return std::max<index_t>(1, static_cast<index_t>(60 * minutes * timed / watch.seconds()));
}

/// What a training run did.
struct training_summary {
  index_t steps = 0;  ///< in all, those before a resume included
  index_t pictures = 0;
  index_t parameters = 0;
  double seconds = 0;
  double tokens_per_second = 0;
  double gflops = 0;       ///< of the mask's exact count of operations
  index_t peak_bytes = 0;  ///< most memory that the policy has held; 0 where it does not count
};

/// A word on a device's memory for the terminal: ", peak 1234 MB"; nothing where it was not counted.
inline std::string peak_memory(const training_summary& s) {
  return s.peak_bytes > 0 ? ", peak " + fixed(static_cast<double>(s.peak_bytes) / 1e6, 0) + " MB" : "";
}

/// Runs the steps that are left, and counts what they did.
template <class Model, class Source>
training_summary run_counted(transfusion::trainer<Model>& trainer, Model& model, Source documents_of) {
  training_summary s{.parameters = model.parameters().count()};
  double flops = 0;
  index_t tokens = 0;
  const stopwatch watch;
  trainer.run(documents_of, [&](const auto& step) {
    flops += step.flops;
    tokens += step.tokens;
    s.pictures += step.images;
  });
  s.steps = trainer.next_step();
  s.seconds = watch.seconds();
  s.tokens_per_second = static_cast<double>(tokens) / s.seconds;
  s.gflops = flops / s.seconds / 1e9;
  if constexpr (requires { model.exec().peak_bytes(); }) s.peak_bytes = model.exec().peak_bytes();
  return s;
}

/// Trains a model of these sizes, writing the checkpoint with `metadata`, and `log` (CSV). A run that is not resumed
/// begins with fresh weights, and what `begin` makes of them where it is given. Throws config_error where a resumed run
/// has no step left.
template <class Model, class Source>
training_summary train_for(typename Model::exec_type& e, const typename Model::config_type& sizes,
                           const run_settings& how, std::uint64_t seed, const Source& documents_of,
                           const std::filesystem::path& checkpoint, const std::filesystem::path& log,
                           std::map<std::string, std::string> metadata, const std::function<void(Model&)>& begin = {}) {
  const index_t steps =
      how.steps > 0 ? how.steps : steps_that_fit<Model>(how.minutes, e, sizes, how.rate, documents_of);
  transfusion::train_options options = short_run(steps, how.rate, seed);
  options.checkpoint_path = checkpoint.string();
  options.log_path = log.string();
  options.checkpoint_every = std::max<index_t>(1, steps / 5);
  options.caption_dropout = how.caption_dropout;
  options.text_dropout = how.text_dropout;
  Model m(e, sizes, seed);
  if (begin) begin(m);
  transfusion::trainer<Model> trainer(m, options);
  trainer.set_metadata(std::move(metadata));
  if (how.resume) {
    trainer.resume(checkpoint.string());
    transfusion::require<transfusion::config_error>(how.steps > trainer.next_step(), "--steps: found ", how.steps,
                                                    ", expected more than the ", trainer.next_step(), " that ",
                                                    checkpoint.string(), " has done");
  }
  return run_counted(trainer, m, documents_of);
}

}  // namespace support
