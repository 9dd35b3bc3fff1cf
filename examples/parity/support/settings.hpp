// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/device.hpp"
#include "transfusion/core/image.hpp"

namespace parity {

namespace tf = transfusion;
using tf::index_t;

/// The sizes of a transformer.
struct model_size {
  index_t layers = 0, width = 0, heads = 0;

  /// "4x128x4".
  std::string name() const;
  /// Reads such a name. Throws config_error on another text.
  static model_size of(const std::string& name);
  /// Weights of the blocks, near enough to say what a step costs beside others.
  double weights() const { return 12.0 * static_cast<double>(layers * width * width); }
};

/// What the program is told.
struct settings {
  static constexpr index_t side = 32;         ///< pixels of a scene
  static constexpr index_t downsampling = 4;  ///< of both autoencoders: 64 latents or codes a scene
  static constexpr index_t most_words = 8;    ///< of a caption

  support::device_settings device;
  std::string out = "parity";
  bool quick = false;
  std::uint64_t seed = 1;

  std::vector<std::string> sizes{"4x64x2", "4x96x3", "6x160x5", "8x256x8"};
  std::vector<index_t> budgets{2000000, 4000000, 8000000, 16000000};  ///< tokens of a training, rising
  index_t pairs = 32;                                                 ///< scenes with captions a step
  double rate = 2e-3;
  double chameleon_share = 1.0 / 3;  ///< of that rate: 1e-4 against 3e-4 in the paper (§4.1)

  index_t latent_channels = 4, codes = 512;
  index_t coder_channels = 32, coder_blocks = 1;  ///< channels of the finest level, twice that in the others
  index_t coder_steps = 6000, coder_scenes = 32;
  double coder_rate = 1e-3;

  index_t read = 1000;   ///< held-out scenes whose captions are read
  index_t drawn = 1000;  ///< scenes drawn of each kind
  int image_steps = 50;
  double guidance = 3;

  // The networks that look at pictures. No options: where they differ, no two runs can be compared.
  index_t eyes_scenes = 16000, eyes_epochs = 10;  ///< that the classifier is trained on
  index_t embedder_steps = 1000;                  ///< of 64 scenes
  index_t compared = 2000;                        ///< real scenes that pictures are compared with

  /// Options and their rules: parsing throws CLI::ParseError naming the option that breaks one. --quick gives other
  /// values to the options that are not given.
  void add_to(CLI::App& app);
  /// Throws config_error on a size that is none, and on budgets that do not rise or are below one step.
  void require_valid() const;

  std::vector<model_size> models() const;
  /// Tokens of a step: no more than this with the longest captions.
  index_t step_tokens() const;
  /// Optimiser steps that a budget pays for.
  index_t steps(index_t budget) const { return budget / step_tokens(); }
  /// Scenes that the longest training reads.
  index_t scenes() const;
  tf::image_shape latent_shape() const { return {latent_channels, side / downsampling, side / downsampling}; }
  tf::image_shape code_shape() const { return {1, side / downsampling, side / downsampling}; }

  /// What an autoencoder depends on.
  nlohmann::json of_coders() const;
  /// What a training's result depends on, but for its family, size and budget.
  nlohmann::json of_results() const;
};

}  // namespace parity
