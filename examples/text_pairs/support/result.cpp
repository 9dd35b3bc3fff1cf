// SPDX-License-Identifier: Apache-2.0
#include "text_pairs/support/result.hpp"

#include "support/file.hpp"
#include "support/same_settings.hpp"
#include "transfusion/core/error.hpp"

namespace text_pairs {
namespace fs = std::filesystem;
namespace tf = transfusion;

namespace {

/// f(key, member) for all that is measured.
template <class Result, class F>
void for_each_field(Result& r, F f) {
  f("data", r.data);
  f("seed", r.seed);
  f("parameters", r.parameters);
  f("text_rows", r.text_rows);
  f("pair_rows", r.pair_rows);
  f("fill", r.fill);
  f("losses", r.losses);
  f("log_likelihoods", r.log_likelihoods);
  f("targets", r.targets);
  f("bytes", r.bytes);
  f("denoising", r.denoising);
  f("sample", r.sample);
  f("pictures", r.pictures);
  f("settings", r.settings);
}

fs::path file_of(const fs::path& folder, const std::string& name) { return folder / (name + ".json"); }

}  // namespace

nlohmann::json result::to_json() const {
  nlohmann::json json;
  for_each_field(*this, [&](const char* key, const auto& member) { json[key] = member; });
  return json;
}

result result::from_json(const nlohmann::json& json, const std::string& where) {
  result r;
  try {
    for_each_field(r, [&](const char* key, auto& member) { json.at(key).get_to(member); });
  } catch (const nlohmann::json::exception& fault) {
    throw tf::format_error(where + ": found no result: " + fault.what());
  }
  const std::size_t passages = r.log_likelihoods.size();
  tf::require<tf::format_error>(r.targets.size() == passages && r.bytes.size() == passages, where, ": found ", passages,
                                " log-likelihoods, ", r.targets.size(), " numbers of targets and ", r.bytes.size(),
                                " of bytes, expected as many of each");
  return r;
}

std::optional<result> find_result(const fs::path& folder, const std::string& name, const nlohmann::json& settings) {
  const fs::path file = file_of(folder, name);
  if (!fs::exists(file)) return std::nullopt;
  const auto json = nlohmann::json::parse(support::read_file(file), nullptr, false);
  tf::require<tf::format_error>(!json.is_discarded(), file.string(), ": found no JSON");
  result r = result::from_json(json, file.string());
  support::require_same(r.settings, settings, file.string());
  return r;
}

void put_result(const fs::path& folder, const result& r) {
  support::write_file(file_of(folder, r.name()), r.to_json().dump(1) + "\n");
}

}  // namespace text_pairs
