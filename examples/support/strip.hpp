// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "transfusion/sequence/document.hpp"

namespace support {

/// Writes pictures of one shape side by side into a PNG, a pixel a value. Throws config_error on none.
void save_strip(const std::filesystem::path& file, const std::vector<transfusion::image>& pictures);

/// Reads such a strip back: values in [−1, 1] of each picture of this shape. Throws format_error on another size.
std::vector<transfusion::image> read_strip(const std::filesystem::path& file, transfusion::image_shape shape);

}  // namespace support
