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
struct training_settings : support::run_settings {
  training_settings();

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
