// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "demo/support/evaluation.hpp"
#include "demo/support/training.hpp"

namespace fashion {

/// What the demo is told.
struct demo_settings {
  settings common;
  training_settings training;
  drawing draws;
  std::string out = "demo";
  std::string checkpoint;  ///< a trained model; empty: train one
  index_t drawn_each = 64;
  index_t captioned = 2000;

  /// Options and their rules: parsing throws CLI::ParseError naming the option that breaks one.
  void add_to(CLI::App& app);
};

}  // namespace fashion
