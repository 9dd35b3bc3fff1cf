// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "ablation/support/result.hpp"
#include "support/json_store.hpp"

namespace ablation {

/// The results of finished runs, a file each, so that a run that was broken off goes on with what is missing.
class result_store {
 public:
  /// Makes the folder where it is not there. Throws io_error where it cannot.
  explicit result_store(std::filesystem::path folder) : files_(std::move(folder)) {}

  /// The result of this run; nothing where it is not finished. Throws format_error on a file that holds no result,
  /// config_error naming the setting where it was made with others.
  std::optional<result> find(const std::string& trial, std::uint64_t seed, const nlohmann::json& settings) const;

  /// Writes a result's file in one piece.
  void put(const result& r) const;

  /// The folder, for pictures beside the results.
  const std::filesystem::path& folder() const { return files_.folder(); }

  /// "causal_linear-2".
  static std::string run_name(const std::string& trial, std::uint64_t seed);

 private:
  support::json_store files_;
};

}  // namespace ablation
