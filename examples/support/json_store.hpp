// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "support/file.hpp"
#include "support/same_settings.hpp"
#include "transfusion/core/error.hpp"

namespace support {

/// A folder of what finished runs have left, a JSON file each, so that a program that was broken off goes on with what
/// is missing. A file says under "settings" what it was made with.
class json_store {
 public:
  /// Makes the folder where it is not there. Throws io_error where it cannot.
  explicit json_store(std::filesystem::path folder) : folder_(std::move(folder)) {
    std::error_code fault;
    std::filesystem::create_directories(folder_, fault);
    transfusion::require<transfusion::io_error>(!fault, folder_.string(),
                                                ": cannot make the folder: ", fault.message());
  }

  /// What this run has left; nothing where it is not finished. Throws format_error on a file that holds no object with
  /// settings, config_error naming the setting where it was made with others.
  std::optional<nlohmann::json> find(const std::string& name, const nlohmann::json& settings) const {
    const auto path = file(name);
    if (!std::filesystem::exists(path)) return std::nullopt;
    auto json = nlohmann::json::parse(read_file(path), nullptr, false);
    transfusion::require<transfusion::format_error>(!json.is_discarded(), path.string(), ": found no JSON");
    transfusion::require<transfusion::format_error>(json.is_object() && json.contains("settings"), path.string(),
                                                    ": found no result: expected an object with \"settings\"");
    require_same(json.at("settings"), settings, path.string());
    return json;
  }

  /// Writes a run's file in one piece.
  void put(const std::string& name, const nlohmann::json& json) const { write_file(file(name), json.dump(1) + "\n"); }

  std::filesystem::path file(const std::string& name) const { return folder_ / (name + ".json"); }
  /// The folder, for what lies beside the results.
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

}  // namespace support
