// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>

#include "folder/support/trained.hpp"
#include "support/device.hpp"

namespace folder {

/// What every program that uses a trained model is told.
struct common_options {
  std::filesystem::path checkpoint = "folder.safetensors";
  std::uint64_t seed = 1;
  support::device_settings device;

  void add_to(CLI::App& app) {
    app.add_option("--checkpoint", checkpoint, "The trained model")->capture_default_str();
    app.add_option("--seed", seed, "Seed of what is drawn at random")->capture_default_str();
    device.add_to(app);
  }
};

/// How words are drawn.
inline void add_writing(CLI::App& app, writing& how) {
  app.add_option("--temperature", how.text.temperature, "Of the words; 0: always the likeliest")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1000.0));
  app.add_option("--top-k", how.text.top_k, "Draw among the k likeliest tokens; 0: all")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000000000));
  app.add_option("--top-p", how.text.top_p, "Draw among the likeliest tokens that make up this probability")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--max-tokens", how.max_tokens, "Tokens of a text at most; 0: as the longest training caption")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000000000));
}

}  // namespace folder
