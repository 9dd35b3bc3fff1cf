// SPDX-License-Identifier: Apache-2.0
#include "demo/support/demo_settings.hpp"

namespace fashion {

void demo_settings::add_to(CLI::App& app) {
  common.add_to(app);
  auto* training_options = app.add_option_group("Training");
  training.add_to(*training_options);
  app.add_option("--out", out, "Folder for pictures, report and checkpoint")->capture_default_str();
  training_options->excludes(
      app.add_option("--checkpoint", checkpoint, "Show this trained model instead of training one")
          ->check(CLI::ExistingFile));
  app.add_option("--guidance", draws.guidance, "Scale of classifier-free guidance")->capture_default_str();
  app.add_option("--image-steps", draws.steps, "Solver steps a picture")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--drawn", drawn_each, "Pictures drawn of each class for the judge")
      ->capture_default_str()
      ->check(CLI::Range(13, 1000));
  app.add_option("--captioned", captioned, "Test pictures to caption")
      ->capture_default_str()
      ->check(CLI::Range(2, 10000));
}

}  // namespace fashion
