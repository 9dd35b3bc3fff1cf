// SPDX-License-Identifier: Apache-2.0
// Trains a model that draws scenes from captions and captions scenes.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "scenes/support/model.hpp"

int main(int argc, char** argv) {
  scenes::training_settings how;
  support::device_settings device;
  std::string checkpoint = "scenes.safetensors", log = "scenes.csv";
  CLI::App app("Trains a Transfusion model on captioned scenes without anything held out.", "scenes_train");
  how.add_to(app);
  app.add_option("--checkpoint", checkpoint, "Where the checkpoint is written")->capture_default_str();
  app.add_option("--log", log, "Where the CSV log is written")->capture_default_str();
  device.add_to(app);
  CLI11_PARSE(app, argc, argv);
  try {
    support::on_device(device, [&](auto& e) {
      const auto done = scenes::train(e, how, checkpoint, log);
      std::printf("%s: %s\n", scenes::in_words(done).c_str(), checkpoint.c_str());
    });
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "scenes_train: %s\n", fault.what());
    return 1;
  }
}
