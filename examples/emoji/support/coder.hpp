// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "emoji/support/classifier.hpp"
#include "emoji/support/data.hpp"
#include "transfusion/autoencoder/latent_cache.hpp"

namespace emoji {

template <class Exec>
using coder = tf::frozen_autoencoder<tf::bottleneck::gaussian, Exec>;

/// 64 × 64 pixels become 16 × 16 latents.
tf::autoencoder_options coder_sizes(index_t latent_channels);

/// Throws format_error or config_error where the file's autoencoder does not take the pictures or makes latents of
/// other channels than the models are told.
void require_fitting(const std::filesystem::path& file, index_t latent_channels);

/// Trains on views of the training pictures, measures the latents' scale and writes both: the stage of the autoencoder.
template <class Exec>
void train_coder(Exec& e, const data& d, const classifier<Exec>& judge, const settings& s);

/// The pictures that the coder makes of latents, a few at a time, as they would be shown: values within [-1, 1].
template <class Exec>
std::vector<tf::image> decoded(const coder<Exec>& c, const std::vector<tf::image>& latents);

}  // namespace emoji
