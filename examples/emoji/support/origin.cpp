// SPDX-License-Identifier: Apache-2.0
#include "emoji/support/origin.hpp"

namespace emoji {

namespace {

constexpr const char *autoencoder_key = "emoji.autoencoder", *vocabulary_key = "emoji.vocabulary";

}  // namespace

std::map<std::string, std::string> origin::metadata() const {
  return {{autoencoder_key, autoencoder}, {vocabulary_key, vocabulary}};
}

void origin::require_of(const std::filesystem::path& model, const std::filesystem::path& autoencoder_file) const {
  const tf::safetensors_file file(model);
  const auto require_same = [&](const char* what, const char* key, const std::string& expected, const std::string& of) {
    const auto entry = file.metadata().find(key);
    const std::string found = entry == file.metadata().end() ? "none" : entry->second;
    tf::require<tf::config_error>(found == expected, model.string(), ": fingerprint of its ", what, ": found ", found,
                                  ", expected ", expected, ", that of ", of,
                                  "; give another --out, or --overwrite to begin anew");
  };
  require_same("autoencoder", autoencoder_key, autoencoder, autoencoder_file.string());
  require_same("vocabulary", vocabulary_key, vocabulary, "the emoji's names");
}

}  // namespace emoji
