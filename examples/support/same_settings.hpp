// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "transfusion/core/error.hpp"

namespace support {

/// Throws config_error naming the first setting that differs between what a file was made with and what is asked for.
inline void require_same(const nlohmann::json& found, const nlohmann::json& expected, const std::string& where) {
  const auto text = [](const nlohmann::json& json, const std::string& key) {
    return json.contains(key) ? json.at(key).dump() : std::string("none");
  };
  const auto compare = [&](const nlohmann::json& keys) {
    for (const auto& [key, value] : keys.items())
      transfusion::require<transfusion::config_error>(text(found, key) == text(expected, key), where,
                                                      ": made with other settings: ", key, ": found ", text(found, key),
                                                      ", expected ", text(expected, key),
                                                      "; give another --out, or the settings it was made with");
  };
  compare(expected);
  compare(found);
}

}  // namespace support
