// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "parity/support/eyes.hpp"
#include "parity/support/settings.hpp"
#include "support/json_store.hpp"

namespace parity {

/// A trained autoencoder that no longer changes.
struct coder {
  using many = std::function<std::vector<tf::image>(const std::vector<tf::image>&)>;
  many encode, decode;
};

inline constexpr const char* vae_name = "vae";
inline constexpr const char* vq_name = "vq_vae";

/// The VAE of the store, or one that is trained, measured and stored: what it makes of held-out scenes goes into its
/// JSON file, some of them into vae.png, above them the scenes. It is 8 × 8 latents of unit variance a scene.
template <class Exec>
coder vae_coder(Exec& e, const settings& s, const support::json_store& store, eyes& seen);

/// The VQ-VAE of the same encoder and decoder: 8 × 8 codes a scene.
template <class Exec>
coder vq_coder(Exec& e, const settings& s, const support::json_store& store, eyes& seen);

}  // namespace parity
