// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "emoji/support/coder.hpp"
#include "support/vocabulary.hpp"

namespace emoji {

/// What a model on latents belongs to, and only works with. Its file says it.
struct origin {
  std::string autoencoder;  ///< fingerprint of its sizes, weights and scale
  std::string vocabulary;   ///< of its words

  template <class Exec>
  static origin of(const coder<Exec>& vae, const support::word_vocabulary& words) {
    return {tf::latent_fingerprint(vae, {}), tf::fingerprint().add(words.to_json()).text()};
  }

  std::map<std::string, std::string> metadata() const;
  /// Throws config_error, naming both, where the model's file says another origin than this one, which is that of the
  /// autoencoder's file.
  void require_of(const std::filesystem::path& model, const std::filesystem::path& autoencoder_file) const;
};

}  // namespace emoji
