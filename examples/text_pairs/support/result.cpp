// SPDX-License-Identifier: Apache-2.0
#include "text_pairs/support/result.hpp"

#include "transfusion/core/error.hpp"

namespace text_pairs {
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

std::optional<result> find_result(const support::json_store& store, const std::string& name,
                                  const nlohmann::json& settings) {
  const auto json = store.find(name, settings);
  if (!json) return std::nullopt;
  return result::from_json(*json, store.file(name).string());
}

}  // namespace text_pairs
