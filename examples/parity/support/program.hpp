// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "parity/support/settings.hpp"

namespace parity {

/// All that is missing in the folder of both autoencoders and of the grid, then the report. Throws config_error before
/// any work, naming a file of the folder that was made with other settings.
void run(const settings& s);

}  // namespace parity
