// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "emoji/support/settings.hpp"

namespace emoji {

/// Throws before any work where the settings, the files they name and what stands in the folder do not fit each other:
/// config_error naming a file that was made with other settings, or a model whose autoencoder is gone; what
/// require_fitting throws. With `overwrite` the stages in the folder are removed instead,
/// but for the one that `vae` names.
void check_folder(const settings& s);

/// All stages that are not done, then the measures, pictures and report.
template <class Exec>
void run(Exec& e, const settings& s, const std::string& command);

}  // namespace emoji
