// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace support {

/// The bytes of a file. Throws io_error naming the file when it is missing, a folder, or cannot be read.
std::string read_file(const std::filesystem::path& file);

/// Writes beside the target and renames, so that a reader finds the old file or the new one, never half of either.
/// Throws io_error naming the file and leaves no temporary behind.
void write_file(const std::filesystem::path& file, std::string_view bytes);

}  // namespace support
