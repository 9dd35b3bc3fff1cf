// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "transfusion/core/types.hpp"

namespace ablation {
using transfusion::index_t;

/// What pictures drawn with one solver and step count are like.
struct sweep_point {
  std::string solver;
  index_t evaluations = 0;  ///< of the model, a picture
  double frechet = 0;
  double judged = 0;     ///< share taken for the class asked for; 0 where there is no judge
  std::string pictures;  ///< a strip of them; empty where none was kept
};

/// What one training has come to.
struct result {
  std::string trial;
  std::uint64_t seed = 0;
  std::map<std::string, double> measures;
  std::vector<double>
      losses;  ///< denoising loss of the training pictures, the mean over each of equal parts of the run
  std::vector<sweep_point> sweep;
  std::string pictures;  ///< a file beside the result's: a strip of drawn pictures
  nlohmann::json settings;

  /// Nothing where it was not taken. Of a sweep: "frechet:ddim:10", by solver and evaluations.
  std::optional<double> measure(const std::string& name) const;

  nlohmann::json to_json() const;
  /// Throws format_error naming `where` and the part that is missing or of another type.
  static result from_json(const nlohmann::json& json, const std::string& where);
};

/// How a measure is called in tables, with how many digits, and whether less of it is better.
struct measure {
  std::string name;
  std::string title;
  int digits = 2;
  bool less_is_better = true;
  double scale = 1;  ///< of what is shown: 100 for shares
};

/// The measures in the order of the tables' columns.
const std::vector<measure>& measures();
/// Throws config_error on a name that is none. One of a sweep is that of its first word.
const measure& measure_named(const std::string& name);

}  // namespace ablation
