// SPDX-License-Identifier: Apache-2.0
#include "emoji/support/stages.hpp"

#include <nlohmann/json.hpp>

#include "support/file.hpp"
#include "transfusion/io/safetensors.hpp"

namespace emoji {

namespace tf = transfusion;

namespace {

constexpr const char* advice = "; give those settings, another --out, or --overwrite to begin anew";

nlohmann::json object_in(const std::filesystem::path& file) {
  auto json = nlohmann::json::parse(support::read_file(file), nullptr, false);
  tf::require<tf::format_error>(json.is_object(), file.string(), ": found no JSON object");
  return json;
}

}  // namespace

bool stage::is_done() const {
  if (!std::filesystem::exists(file)) return false;
  const tf::safetensors_file stored(file);
  const auto found = stored.metadata().find(stage_key);
  tf::require<tf::format_error>(found != stored.metadata().end(), file.string(), ": found no metadata \"", stage_key,
                                "\", expected a file of this program");
  tf::require<tf::config_error>(found->second == settings, file.string(), ": made with ", found->second, ", expected ",
                                settings, advice);
  return true;
}

bool stage::is_begun() const {
  if (!std::filesystem::exists(part())) return false;
  const auto summary = beside("json");
  const auto json = std::filesystem::exists(summary) ? object_in(summary) : nlohmann::json::object();
  const std::string found = json.value("settings", "no settings");
  tf::require<tf::config_error>(found == settings, part().string(), ": begun with ", found, ", expected ", settings,
                                advice);
  return true;
}

std::filesystem::path stage::beside(const std::string& ending) const {
  return std::filesystem::path(file).replace_extension(ending);
}

void stage_summary::save(const stage& s) const {
  const nlohmann::json json{{"settings", s.settings}, {"steps", steps},           {"pictures", pictures},
                            {"counted", counted},     {"parameters", parameters}, {"seconds", seconds}};
  support::write_file(s.beside("json"), json.dump(2) + "\n");
}

stage_summary stage_summary::of(const stage& s) {
  if (!std::filesystem::exists(s.beside("json"))) return {};
  const auto json = object_in(s.beside("json"));
  return {json.value("steps", index_t{}), json.value("pictures", index_t{}), json.value("counted", index_t{}),
          json.value("parameters", index_t{}), json.value("seconds", 0.0)};
}

}  // namespace emoji
