// SPDX-License-Identifier: Apache-2.0
#include "ablation/support/result.hpp"

#include <algorithm>

#include "transfusion/core/error.hpp"

namespace ablation {
namespace tf = transfusion;

std::optional<double> result::measure(const std::string& name) const {
  if (const auto found = measures.find(name); found != measures.end()) return found->second;
  for (const sweep_point& p : sweep) {
    const std::string place = ":" + p.solver + ":" + std::to_string(p.evaluations);
    if (name == "frechet" + place) return p.frechet;
    if (name == "judged" + place) return p.judged;
  }
  return std::nullopt;
}

nlohmann::json result::to_json() const {
  auto points = nlohmann::json::array();
  for (const sweep_point& p : sweep)
    points.push_back({{"solver", p.solver},
                      {"evaluations", p.evaluations},
                      {"frechet", p.frechet},
                      {"judged", p.judged},
                      {"pictures", p.pictures}});
  return {{"trial", trial},  {"seed", seed},         {"measures", measures}, {"losses", losses},
          {"sweep", points}, {"pictures", pictures}, {"settings", settings}};
}

result result::from_json(const nlohmann::json& json, const std::string& where) {
  try {
    result r;
    json.at("trial").get_to(r.trial);
    json.at("seed").get_to(r.seed);
    json.at("measures").get_to(r.measures);
    json.at("losses").get_to(r.losses);
    for (const auto& p : json.at("sweep"))
      r.sweep.push_back({p.at("solver"), p.at("evaluations"), p.at("frechet"), p.at("judged"), p.at("pictures")});
    json.at("pictures").get_to(r.pictures);
    r.settings = json.at("settings");
    return r;
  } catch (const nlohmann::json::exception& fault) {
    throw tf::format_error(where + ": found no result: " + fault.what());
  }
}

const std::vector<measure>& measures() {
  static const std::vector<measure> all = {{"parameters", "parameters (M)", 2, true, 1e-6},
                                           {"seconds", "seconds", 0},
                                           {"gflop", "TFLOP", 1, true, 1e-3},
                                           {"pictures", "pictures (k)", 1, false, 1e-3},
                                           {"perplexity", "caption perplexity", 3},
                                           {"ranked", "captions right (%)", 1, false, 100},
                                           {"denoising", "denoising loss", 4},
                                           {"frechet", "Fréchet", 2},
                                           {"judged", "drawn as asked (%)", 1, false, 100}};
  return all;
}

const measure& measure_named(const std::string& name) {
  const auto& all = measures();
  const std::string first = name.substr(0, name.find(':'));
  const auto found = std::find_if(all.begin(), all.end(), [&](const measure& m) { return m.name == first; });
  tf::require<tf::config_error>(found != all.end(), "measure: found \"", name, "\", expected one of the tables'");
  return *found;
}

}  // namespace ablation
