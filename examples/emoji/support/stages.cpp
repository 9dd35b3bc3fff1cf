// SPDX-License-Identifier: Apache-2.0
#include "emoji/support/stages.hpp"

#include <nlohmann/json.hpp>

#include "support/file.hpp"
#include "transfusion/io/safetensors.hpp"

namespace emoji {

namespace tf = transfusion;

bool stage::is_done() const {
  if (!std::filesystem::exists(file)) return false;
  const tf::safetensors_file stored(file);
  const auto found = stored.metadata().find(stage_key);
  tf::require<tf::format_error>(found != stored.metadata().end(), file.string(), ": found no metadata \"", stage_key,
                                "\", expected a file of this program");
  tf::require<tf::config_error>(found->second == settings, file.string(), ": made with ", found->second, ", expected ",
                                settings, "; give those settings, another --out, or --overwrite to begin anew");
  return true;
}

std::filesystem::path stage::beside(const std::string& ending) const {
  return std::filesystem::path(file).replace_extension(ending);
}

void stage_summary::save(const stage& s) const {
  const nlohmann::json json{{"steps", steps}, {"pictures", pictures}, {"parameters", parameters}, {"seconds", seconds}};
  support::write_file(s.beside("json"), json.dump(2) + "\n");
}

stage_summary stage_summary::of(const stage& s) {
  if (!std::filesystem::exists(s.beside("json"))) return {};
  const auto json = nlohmann::json::parse(support::read_file(s.beside("json")), nullptr, false);
  tf::require<tf::format_error>(json.is_object(), s.beside("json").string(), ": found no JSON object");
  return {json.value("steps", index_t{}), json.value("pictures", index_t{}), json.value("parameters", index_t{}),
          json.value("seconds", 0.0)};
}

}  // namespace emoji
