// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "emoji/support/report.hpp"

namespace emoji {

/// Throws before any work where the settings, the files they name and what stands in the folder do not fit each other:
/// config_error naming a file that was made or begun with other settings, a model whose autoencoder is gone, or one of
/// another autoencoder or other words; what require_fitting throws. With `overwrite` the stages in the folder are
/// removed first, but for the one that `vae` names.
void check_folder(const settings& s, const data& d);

/// All stages that are not done, each from its last checkpoint where it was broken off, then the measures, pictures and
/// report.
template <class Exec>
findings run(Exec& e, const data& d, const settings& s, const std::string& command);

}  // namespace emoji
