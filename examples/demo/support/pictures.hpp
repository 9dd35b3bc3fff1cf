// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "demo/support/evaluation.hpp"

namespace fashion {

/// Ten labelled rows of `each` drawn pictures (as draw_classes gives them).
void save_samples(const std::filesystem::path& file, const std::vector<tf::image>& drawn, index_t each,
                  const drawing& how);

/// One row a caption: the picture along its solver steps, from noise to the end.
template <class Exec>
void save_denoising(const std::filesystem::path& file, model<Exec>& m, const data& d, const drawing& how);

/// Sixteen test pictures with the model's caption and, where it is wrong, the truth.
template <class Exec>
void save_captions(const std::filesystem::path& file, model<Exec>& m, const data& d);

/// A document that the model wrote alone: text and pictures. Tries seeds until one holds two pictures; returns its
/// text.
template <class Exec>
std::string save_interleaved(const std::filesystem::path& file, model<Exec>& m, const drawing& how);

/// The losses of a training log.
void save_losses(const std::filesystem::path& file, const std::filesystem::path& log);

}  // namespace fashion
