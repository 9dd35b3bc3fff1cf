// SPDX-License-Identifier: Apache-2.0
// Trains the demo's model: captions to pictures and pictures to captions, one checkpoint.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "demo/support/training.hpp"

int main(int argc, char** argv) {
  fashion::settings common;
  fashion::training_settings how;
  std::string checkpoint = "fashion.safetensors", log = "fashion.csv";
  CLI::App app("Trains a Transfusion model on Fashion-MNIST.", "fashion_train");
  common.add_to(app);
  how.add_to(app);
  app.add_option("--checkpoint", checkpoint, "Where the checkpoint is written")->capture_default_str();
  app.add_option("--log", log, "Where the CSV log is written")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    support::on_device(common.device, [&](auto& e) {
      const auto summary = fashion::train(e, fashion::data(common.data_folder), common, how, checkpoint, log);
      std::printf("%lld steps, %.0f tokens/s, %.0f GFLOP/s%s: %s\n", static_cast<long long>(summary.steps),
                  summary.tokens_per_second, summary.gflops, support::peak_memory(summary).c_str(), checkpoint.c_str());
    });
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "fashion_train: %s\n", fault.what());
    return 1;
  }
}
