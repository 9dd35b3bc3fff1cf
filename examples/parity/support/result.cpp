// SPDX-License-Identifier: Apache-2.0
#include "parity/support/result.hpp"

#include "transfusion/core/error.hpp"

namespace parity {

std::string name(family f) { return f == family::transfusion ? "transfusion" : "chameleon"; }
std::string title(family f) { return f == family::transfusion ? "Transfusion" : "Chameleon"; }

std::string planned::name() const { return parity::name(who) + "-" + size.name() + "-" + std::to_string(budget); }

nlohmann::json planned::settings_of(const settings& s) const {
  nlohmann::json json = s.of_results();
  json.update({{"family", parity::name(who)}, {"size", size.name()}, {"budget", budget}});
  return json;
}

std::vector<planned> grid(const settings& s) {
  std::vector<planned> all;
  for (const index_t budget : s.budgets)
    for (const model_size& size : s.models())
      for (const family who : families) all.push_back({who, size, budget});
  return all;
}

nlohmann::json result::to_json() const {
  return {{"family", name(what.who)}, {"size", what.size.name()}, {"budget", what.budget},
          {"measures", measures},     {"pictures", pictures},     {"settings", settings}};
}

result result::from_json(const nlohmann::json& json, const std::string& where) {
  try {
    result r;
    const auto who = json.at("family").get<std::string>();
    tf::require<tf::format_error>(who == name(family::transfusion) || who == name(family::chameleon), where,
                                  ": family: found \"", who, "\", expected transfusion or chameleon");
    r.what.who = who == name(family::transfusion) ? family::transfusion : family::chameleon;
    r.what.size = model_size::of(json.at("size"));
    json.at("budget").get_to(r.what.budget);
    json.at("measures").get_to(r.measures);
    json.at("pictures").get_to(r.pictures);
    r.settings = json.at("settings");
    tf::require<tf::format_error>(r.measures.contains("flops"), where, ": measures: found no flops, expected them");
    return r;
  } catch (const nlohmann::json::exception& fault) {
    throw tf::format_error(where + ": found no result: " + fault.what());
  }
}

const std::vector<measure>& measures() {
  static const std::vector<measure> all = {
      {"perplexity", "caption perplexity", better::less, 3, 1, "0.49 (C4), 0.53 (Wikipedia)"},
      {"text_gap", "caption nats above the least", better::less, 3, 1, ""},
      {"cider", "CIDEr-D of captions", better::more, 2, 1, "0.22 (CIDEr)"},
      {"ranked", "captions right (%)", better::more, 1, 100, ""},
      {"frechet", "distance to real scenes", better::less, 1, 1, "0.03 (FID)"},
      {"similarity", "similarity to prompts", better::more, 1, 1, "0.32 (CLIP)"},
      {"judged", "named as asked (%)", better::more, 1, 100, ""},
      {"right", "drawn as asked (%)", better::more, 1, 100, ""}};
  return all;
}

std::vector<outcome> outcomes(std::span<const result> results, family who, const measure& m) {
  const auto at_chance = [&](const result& r) {
    const auto gain = r.measures.find(m.name + "_gain_low");
    return gain != r.measures.end() && gain->second <= 0;
  };
  std::vector<outcome> some;
  for (const result& r : results)
    if (const auto found = r.measures.find(m.name); r.what.who == who && found != r.measures.end())
      some.push_back({r.flops(), found->second, at_chance(r)});
  return some;
}

}  // namespace parity
