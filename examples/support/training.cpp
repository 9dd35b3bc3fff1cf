// SPDX-License-Identifier: Apache-2.0
#include "support/training.hpp"

#include "support/options.hpp"

namespace support {

void run_settings::add_to(CLI::App& app) {
  auto* total = app.add_option("--steps", steps, "Optimiser steps; 0: as many as fit into --minutes")
                    ->capture_default_str()
                    ->check(CLI::NonNegativeNumber);
  add_positive(app, "--minutes", minutes, "Time to train where --steps is not given");
  add_positive(app, "--pairs", pairs, "Pictures with captions a step");
  add_positive(app, "--rate", rate, "Peak learning rate");
  add_transformer(app, layers, width, heads);
  add_positive(app, "--patch", patch, "Pixels a side of a patch");
  app.add_flag("--resume", resume, "Go on from the checkpoint; give the run's own --steps and --seed")->needs(total);
}

}  // namespace support
