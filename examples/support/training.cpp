// SPDX-License-Identifier: Apache-2.0
#include "support/training.hpp"

namespace support {

void run_settings::add_to(CLI::App& app) {
  const auto positive = [&](const char* option, auto& member, const char* about) {
    app.add_option(option, member, about)->capture_default_str()->check(CLI::PositiveNumber);
  };
  auto* total = app.add_option("--steps", steps, "Optimiser steps; 0: as many as fit into --minutes")
                    ->capture_default_str()
                    ->check(CLI::NonNegativeNumber);
  positive("--minutes", minutes, "Time to train where --steps is not given");
  positive("--pairs", pairs, "Pictures with captions a step");
  positive("--rate", rate, "Peak learning rate");
  positive("--layers", layers, "Transformer blocks");
  positive("--width", width, "Width of the transformer");
  positive("--heads", heads, "Attention heads");
  positive("--patch", patch, "Pixels a side of a patch");
  app.add_flag("--resume", resume, "Go on from the checkpoint; give the run's own --steps and --seed")->needs(total);
}

}  // namespace support
