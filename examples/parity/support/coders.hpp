// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parity/support/eyes.hpp"
#include "parity/support/settings.hpp"
#include "parity/support/step_watch.hpp"
#include "support/json_store.hpp"

namespace parity {

/// A trained autoencoder that no longer changes.
struct coder {
  using many = std::function<std::vector<tf::image>(const std::vector<tf::image>&)>;
  many encode, decode;
};

inline constexpr const char* vae_name = "vae";
inline constexpr const char* vq_name = "vq_vae";

/// What an autoencoder has come to; nothing where it is not finished. Throws what json_store::find throws, for what a
/// training that was broken off has left too.
std::optional<nlohmann::json> finished_coder(const settings& s, const support::json_store& store,
                                             const std::string& name);

/// The VAE of the store, or one that is trained, measured and stored: what it makes of held-out scenes goes into its
/// JSON file, some of them into vae.png, above them the scenes. It is 8 × 8 latents of unit variance a scene. A
/// training that was broken off goes on from its checkpoint, to the same weights.
template <class Exec>
coder vae_coder(Exec& e, const settings& s, const support::json_store& store, eyes& seen, const step_watch& watch = {});

/// The VQ-VAE of the same encoder and decoder: 8 × 8 codes a scene.
template <class Exec>
coder vq_coder(Exec& e, const settings& s, const support::json_store& store, eyes& seen, const step_watch& watch = {});

}  // namespace parity
