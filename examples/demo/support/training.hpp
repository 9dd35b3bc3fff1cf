// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "demo/support/fashion.hpp"
#include "support/device.hpp"
#include "support/training.hpp"

namespace fashion {

/// What all of the demo's programs are told.
struct settings {
  std::string data_folder{support::fashion_mnist_folder};
  support::device_settings device;
  std::uint64_t seed = 1;

  void add_to(CLI::App& app);
};

/// How to train the demo's model.
struct training_settings {
  index_t steps = 0;  ///< 0: as many as fit into `minutes`
  double minutes = 5.5;
  index_t pairs = 64;  ///< pictures a step
  double rate = 2e-3;
  index_t layers = default_config().layers, width = default_config().width, heads = default_config().heads;
  index_t patch = default_config().codec.patch;
  bool resume = false;

  void add_to(CLI::App& app);
  config sizes() const;
};

using support::training_summary;

/// Trains, writing the checkpoint and `log` (CSV), and leaves the averaged weights in the checkpoint's file.
template <class Exec>
training_summary train(Exec& e, const data& d, const settings& common, const training_settings& how,
                       const std::filesystem::path& checkpoint, const std::filesystem::path& log);

/// Reads a model back with its averaged weights. Throws format_error on a file that holds no such model.
template <class Exec>
model<Exec> load(Exec& e, const std::filesystem::path& checkpoint);

}  // namespace fashion
