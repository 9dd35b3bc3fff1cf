// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "parity/support/fit.hpp"
#include "parity/support/settings.hpp"

namespace parity {

enum class family { transfusion, chameleon };
inline constexpr family families[] = {family::transfusion, family::chameleon};
/// "transfusion".
std::string name(family f);
/// "Transfusion".
std::string title(family f);

/// A training of the grid.
struct planned {
  family who = family::transfusion;
  model_size size;
  index_t budget = 0;  ///< tokens

  /// "chameleon-4x128x4-1200000": of its file.
  std::string name() const;
  /// All that its result depends on.
  nlohmann::json settings_of(const settings& s) const;
};

/// The whole grid, from small to large, the families in turn: a run that is broken off has something of both.
std::vector<planned> grid(const settings& s);

/// What a training has come to.
struct result {
  planned what;
  /// By name; beside a measure "m" perhaps "m_low" and "m_high", the ends of its 95 % interval, with them
  /// "m_gain_low", the low end of its gain over a model that does not look, or "m_error", its standard error.
  std::map<std::string, double> measures;
  std::string pictures;  ///< a file beside the result's: a strip of drawn scenes
  nlohmann::json settings;

  /// FLOPs of the training, as the trainer counts them.
  double flops() const { return measures.at("flops"); }

  nlohmann::json to_json() const;
  /// Throws format_error naming `where` and the part that is missing or of another type.
  static result from_json(const nlohmann::json& json, const std::string& where);
};

/// A measure that both families have.
struct measure {
  std::string name;
  std::string title;
  better way = better::less;
  int digits = 2;
  double scale = 1;     ///< of what is shown: 100 for shares
  std::string paper{};  ///< the ratio that the paper has for its like
};

/// In the order of the tables.
const std::vector<measure>& measures();

/// One measure of all trainings of a family. At chance are those whose result states a gain over a model that does not
/// look that may be none.
std::vector<outcome> outcomes(std::span<const result> results, family who, const measure& m);

}  // namespace parity
