// SPDX-License-Identifier: Apache-2.0
#include "ablation/support/experiment.hpp"

#include "ablation/support/store.hpp"
#include "support/strip.hpp"

namespace ablation {

nlohmann::json settings_of(const settings& s, const trial& t) {
  nlohmann::json json = s.of_results();
  json["patch"] = t.sizes.patch;
  json["width_share"] = t.sizes.width;
  json["lambda"] = t.sizes.lambda;
  json["equal_patches"] = t.sizes.equal_patches;
  json["swept"] = swept_evaluations(s);
  return json;
}

std::vector<experiment> experiments(const settings& s) {
  return {attention(), patch(s), codec(), noise_limit(), flow(s), solvers(s), lambda(), routing()};
}

std::vector<std::string> experiment_names() {
  std::vector<std::string> names;
  for (const experiment& e : experiments({})) names.push_back(e.name);
  return names;
}

std::vector<index_t> swept_evaluations(const settings& s) {
  if (s.quick) return {4, 10, 40};
  return {4, 8, 16, 32, 64, 128, 250};
}

std::string keep_strip(const job& j, const std::vector<tf::image>& drawn, const std::string& ending) {
  const std::string file = result_store::run_name(j.what.name, j.seed) + ending + ".png";
  std::vector<tf::image> shown;
  for (const index_t i : j.data.to_show(std::ssize(drawn))) shown.push_back(drawn[static_cast<std::size_t>(i)]);
  support::save_strip(j.folder / file, shown);
  return file;
}

}  // namespace ablation
