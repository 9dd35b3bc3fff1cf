// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>

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

}  // namespace support
