// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "emoji/support/stages.hpp"
#include "support/device.hpp"
#include "support/training.hpp"

namespace emoji {

/// How long a stage trains.
struct length {
  index_t steps = 0;  ///< 0: as many as fit into `minutes`
  double minutes = 1;

  std::string text() const;
};

/// How pictures are drawn.
struct drawing {
  double guidance = 3;
  int steps = 50;
  std::uint64_t seed = 1;
};

/// What the program is told.
struct settings {
  std::filesystem::path out = "emoji";
  std::filesystem::path vae;  ///< a trained autoencoder; empty: train one
  std::string codec = "both";
  bool quick = false, overwrite = false;
  std::uint64_t seed = 1;
  length classifier{.minutes = 2}, autoencoder{.minutes = 12};
  index_t latent_channels = 4;
  support::run_settings drawer;  ///< its minutes are those of each codec
  drawing draws;
  index_t drawn = 128;  ///< pictures drawn of names that training has seen
  support::device_settings device;
  /// Hears of each training step; what it throws breaks the training off.
  std::function<void(const stage&, index_t step)> observe;

  settings();
  void add_to(CLI::App& app);

  bool uses(const std::string& name) const { return codec == "both" || codec == name; }

  stage classifier_stage() const;
  stage vae_stage() const;
  stage drawer_stage(const std::string& codec_name) const;
};

}  // namespace emoji
