// SPDX-License-Identifier: Apache-2.0
// Fine-tunes a model of scenes_train on pictures before and after an edit, with the instruction between them.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "scenes/support/edit_model.hpp"

int main(int argc, char** argv) {
  scenes::edit_training how;
  support::device_settings device;
  std::string base = "scenes.safetensors", checkpoint = "scenes_edit.safetensors", log = "scenes_edit.csv";
  CLI::App app("Fine-tunes a model of scenes on edits without anything held out", "scenes_edit_train");
  app.add_option("--base", base, "The trained model to begin with")->capture_default_str();
  how.add_to(app);
  app.add_option("--checkpoint", checkpoint, "Where the new checkpoint is written")->capture_default_str();
  app.add_option("--log", log, "Where the CSV log is written")->capture_default_str();
  device.add_to(app);
  CLI11_PARSE(app, argc, argv);
  try {
    support::on_device(device, [&](auto& e) {
      const auto done = scenes::fine_tune(e, base, how, checkpoint, log);
      std::printf("%s: %s\n", scenes::in_words(done).c_str(), checkpoint.c_str());
    });
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "scenes_edit_train: %s\n", fault.what());
    return 1;
  }
}
