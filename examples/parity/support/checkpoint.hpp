// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "parity/support/result.hpp"
#include "support/json_store.hpp"

// What a training that is broken off leaves beside the results.
namespace parity {

/// The file of its weights and all else that it needs to go on.
std::filesystem::path checkpoint_file(const support::json_store& store, const planned& p);

/// What stands in its metadata: the settings of the training and what it has counted so far.
std::map<std::string, std::string> checkpoint_metadata(const result& so_far);

/// What a training had counted when it was broken off; nothing where it was not. Throws config_error naming the setting
/// where it was made with others, format_error on a file that is no such checkpoint.
std::optional<std::map<std::string, double>> counted_before(const settings& s, const support::json_store& store,
                                                            const planned& p);

}  // namespace parity
