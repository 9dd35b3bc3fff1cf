// SPDX-License-Identifier: Apache-2.0
#include "parity/support/checkpoint.hpp"

#include "transfusion/io/safetensors.hpp"

namespace parity {

namespace {

constexpr const char* settings_key = "parity.settings";
constexpr const char* counted_key = "parity.counted";

nlohmann::json stored(const tf::safetensors_file& file, const char* key) {
  const auto found = file.metadata().find(key);
  tf::require<tf::format_error>(found != file.metadata().end(), file.path().string(), ": found no metadata \"", key,
                                "\": is this a checkpoint of a training?");
  auto json = nlohmann::json::parse(found->second, nullptr, false);
  tf::require<tf::format_error>(json.is_object(), file.path().string(), ": metadata \"", key, "\": found ",
                                found->second, ", expected a JSON object");
  return json;
}

}  // namespace

std::filesystem::path checkpoint_file(const support::json_store& store, const planned& p) {
  return store.folder() / (p.name() + ".part.safetensors");
}

std::map<std::string, std::string> checkpoint_metadata(const result& so_far) {
  return {{settings_key, so_far.settings.dump()}, {counted_key, nlohmann::json(so_far.measures).dump()}};
}

std::optional<std::map<std::string, double>> counted_before(const settings& s, const support::json_store& store,
                                                            const planned& p) {
  const auto path = checkpoint_file(store, p);
  if (!std::filesystem::exists(path)) return std::nullopt;
  const tf::safetensors_file file(path);
  support::require_same(stored(file, settings_key), p.settings_of(s), path.string());
  try {
    return stored(file, counted_key).get<std::map<std::string, double>>();
  } catch (const nlohmann::json::exception& fault) {
    throw tf::format_error(path.string() + ": found no counts: " + fault.what());
  }
}

}  // namespace parity
