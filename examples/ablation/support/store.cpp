// SPDX-License-Identifier: Apache-2.0
#include "ablation/support/store.hpp"

namespace ablation {

std::string result_store::run_name(const std::string& trial, std::uint64_t seed) {
  return trial + "-" + std::to_string(seed);
}

std::optional<result> result_store::find(const std::string& trial, std::uint64_t seed,
                                         const nlohmann::json& settings) const {
  const std::string name = run_name(trial, seed);
  const auto json = files_.find(name, settings);
  if (!json) return std::nullopt;
  return result::from_json(*json, files_.file(name).string());
}

void result_store::put(const result& r) const { files_.put(run_name(r.trial, r.seed), r.to_json()); }

}  // namespace ablation
