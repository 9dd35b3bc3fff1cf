// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <memory>
#include <string>

#include "folder/support/recipe.hpp"
#include "support/vocabulary.hpp"
#include "transfusion/io/safetensors.hpp"

namespace folder {

using tf::index_t;

/// A line of a checkpoint's metadata. Throws format_error naming file and line where there is none.
inline std::string stored_text(const tf::safetensors_file& file, const char* name) {
  const auto found = file.metadata().find(name);
  tf::require<tf::format_error>(found != file.metadata().end(), file.path().string(), ": found no metadata \"", name,
                                "\", expected a checkpoint of folder_train");
  return found->second;
}

/// The same as a whole number.
inline index_t stored_number(const tf::safetensors_file& file, const char* name) {
  const std::string text = stored_text(file, name);
  index_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  tf::require<tf::format_error>(fault == std::errc{} && end == text.data() + text.size(), file.path().string(),
                                ": metadata \"", name, "\": found \"", text, "\", expected a whole number");
  return value;
}

/// The vocabulary that a model was trained with. Throws format_error naming the file.
inline std::unique_ptr<support::vocabulary> stored_vocabulary(const tf::safetensors_file& file) {
  const std::string text = stored_text(file, metadata::vocabulary);
  try {
    return support::vocabulary_from_json(text);
  } catch (const tf::format_error& fault) {
    throw tf::format_error(file.path().string() + ": " + fault.what());
  }
}

}  // namespace folder
