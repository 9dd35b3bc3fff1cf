// SPDX-License-Identifier: Apache-2.0
#include "ablation/support/store.hpp"

#include <utility>

#include "support/file.hpp"
#include "support/same_settings.hpp"
#include "transfusion/core/error.hpp"

namespace ablation {
namespace fs = std::filesystem;
namespace tf = transfusion;

result_store::result_store(fs::path folder) : folder_(std::move(folder)) {
  std::error_code fault;
  fs::create_directories(folder_, fault);
  tf::require<tf::io_error>(!fault, folder_.string(), ": cannot make the folder: ", fault.message());
}

std::string result_store::run_name(const std::string& trial, std::uint64_t seed) {
  return trial + "-" + std::to_string(seed);
}

fs::path result_store::file(const std::string& trial, std::uint64_t seed) const {
  return folder_ / (run_name(trial, seed) + ".json");
}

std::optional<result> result_store::find(const std::string& trial, std::uint64_t seed,
                                         const nlohmann::json& settings) const {
  const fs::path path = file(trial, seed);
  if (!fs::exists(path)) return std::nullopt;
  const auto json = nlohmann::json::parse(support::read_file(path), nullptr, false);
  tf::require<tf::format_error>(!json.is_discarded(), path.string(), ": found no JSON");
  const result r = result::from_json(json, path.string());
  support::require_same(r.settings, settings, path.string());
  return r;
}

void result_store::put(const result& r) const {
  support::write_file(file(r.trial, r.seed), r.to_json().dump(1) + "\n");
}

}  // namespace ablation
