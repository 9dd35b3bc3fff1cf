// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>

#include "transfusion/core/error.hpp"

namespace transfusion::detail {

/// Writes the fields of a configuration into JSON. Enumerations are numbers.
struct field_writer {
  nlohmann::json& json;
  template <class T>
  void operator()(const char* name, const T& value) const {
    if constexpr (std::is_enum_v<T>)
      json[name] = static_cast<int>(value);
    else
      json[name] = value;
  }
};

/// Reads them back. Throws format_error naming file and field.
struct field_reader {
  const nlohmann::json& json;
  std::string where;  ///< the file, and what comes before the field's name
  template <class T>
  void operator()(const char* name, T& value) const {
    const std::string field = message(where, name);
    require<format_error>(json.contains(name), field, ": found no such field");
    const nlohmann::json& found = json.at(name);
    try {
      if constexpr (std::is_enum_v<T>)
        value = static_cast<T>(read<int>(field, found));
      else
        value = read<T>(field, found);
    } catch (const nlohmann::json::exception& e) {
      throw format_error(message(field, ": ", e.what()));
    }
  }

 private:
  /// Nothing may be lost on the way: no fraction of a whole number, no element of a longer list.
  template <class T>
  static T read(const std::string& field, const nlohmann::json& found) {
    const T value = found.get<T>();
    require<format_error>(found == nlohmann::json(value), field, ": found ", found.dump(), ", expected the like of ",
                          nlohmann::json(value).dump());
    return value;
  }
};

}  // namespace transfusion::detail
