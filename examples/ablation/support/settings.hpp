// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ablation/support/corpus.hpp"
#include "support/device.hpp"

namespace ablation {

enum class data_set { fashion, emoji };

/// What the program is told.
struct settings {
  data_set data = data_set::fashion;
  std::string fashion_folder{support::fashion_mnist_folder};
  std::string emoji_font{support::emoji_font}, emoji_names{support::emoji_names};
  index_t emoji_side = 32;
  support::device_settings device;
  std::string out = "ablation";
  std::vector<std::string> only;  ///< names of experiments; empty: all
  index_t seeds = 3;
  bool quick = false;

  index_t steps = 4000;
  index_t pairs = 64;
  double rate = 2e-3;
  index_t layers = 4, width = 128, heads = 4;
  index_t unet_channels = 32, unet_blocks = 2;  ///< of the U-Net codec's finest level; blocks a level

  index_t drawn = 500;
  int image_steps = 100;
  double guidance = 2;
  index_t read = 1000;  ///< held-out pictures whose losses are taken

  /// Options and their rules: parsing throws CLI::ParseError naming the option that breaks one. --quick gives other
  /// values to the options that are not given.
  void add_to(CLI::App& app, const std::vector<std::string>& experiments);

  /// Everything that a result depends on, but for the trial and the seed.
  nlohmann::json of_results() const;

  /// Throws what the data set throws.
  corpus load() const;
};

}  // namespace ablation
