// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "parity/support/result.hpp"
#include "support/json_store.hpp"
#include "support/report.hpp"

namespace parity {

/// What the report says beside the trainings: the JSON files of both autoencoders, and of real scenes in place of drawn
/// ones.
struct surroundings {
  nlohmann::json vae, vq, real;
};
inline constexpr const char* real_name = "real";

/// A line a training: what it cost and all of its measures.
support::markdown_table trainings_table(std::span<const result> results);

/// A line a measure: both families' lines and the parity ratio, or the bound that is known of it.
support::markdown_table ratios_table(std::span<const result> results);
/// A list of the measures without a ratio, saying why; empty where there are none.
std::string missing_ratios(std::span<const result> results);

/// Writes report.md into the folder, and its charts and sheets beside it. Strips of pictures are read from the store's
/// folder. Throws io_error naming the file.
void save_report(const std::filesystem::path& folder, const support::json_store& store, const settings& s,
                 const surroundings& around, std::span<const result> results);

}  // namespace parity
