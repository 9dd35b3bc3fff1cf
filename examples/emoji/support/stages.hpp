// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "transfusion/core/types.hpp"

namespace emoji {

using transfusion::index_t;

/// Where a stage's file says what it was made with.
inline constexpr const char* stage_key = "emoji.stage";

/// One stage of the program: its file, and the settings that the file must have been made with.
struct stage {
  std::filesystem::path file;
  std::string settings;

  /// Whether the stage is done. Throws config_error where the file was made with other settings, format_error where it
  /// is no file of this program.
  bool is_done() const;
  /// Whether its training was broken off and has left a checkpoint to go on from. Throws as is_done.
  bool is_begun() const;
  /// A training's checkpoint, until the stage is done.
  std::filesystem::path part() const { return beside("part"); }

  std::map<std::string, std::string> metadata() const { return {{stage_key, settings}}; }
  /// A file beside it: "vae.safetensors" has "vae.csv".
  std::filesystem::path beside(const std::string& ending) const;
};

/// How long a stage is trained. Kept beside its file from the first step on, so that a training that was broken off
/// goes on to as many steps, and a later report still knows.
struct stage_summary {
  index_t steps = 0;     ///< in all; 0: not known
  index_t pictures = 0;  ///< up to the last checkpoint
  index_t counted = 0;   ///< steps whose pictures those are
  index_t parameters = 0;
  double seconds = 0;  ///< likewise, over all starts

  void save(const stage& s) const;
  static stage_summary of(const stage& s);
};

}  // namespace emoji
