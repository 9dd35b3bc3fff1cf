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
  std::map<std::string, std::string> metadata() const { return {{stage_key, settings}}; }
  /// A file beside it: "vae.safetensors" has "vae.csv".
  std::filesystem::path beside(const std::string& ending) const;
};

/// How long a stage took; kept beside its file, so that a later report still knows.
struct stage_summary {
  index_t steps = 0;  ///< 0: not known
  index_t pictures = 0;
  index_t parameters = 0;
  double seconds = 0;

  void save(const stage& s) const;
  static stage_summary of(const stage& s);
};

}  // namespace emoji
