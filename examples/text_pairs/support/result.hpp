// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "support/json_store.hpp"
#include "transfusion/core/types.hpp"

namespace text_pairs {

using transfusion::index_t;

/// What was measured of one training.
struct result {
  std::string data;  ///< "text" or "mixture"
  std::uint64_t seed = 1;
  double parameters = 0;
  double text_rows = 0, pair_rows = 0;  ///< trained on
  double fill = 0;                      ///< of the batches
  std::vector<double> losses;           ///< next-token loss in parts of the run
  std::vector<double> log_likelihoods;  ///< in nats, of each held-out passage
  std::vector<double> targets;          ///< tokens that were predicted in each
  std::vector<double> bytes;            ///< of each
  std::vector<double> denoising;        ///< loss of each held-out pair; none after text alone
  std::string sample;                   ///< how the model goes on with a held-out passage
  std::string pictures;                 ///< file of what it drew; empty after text alone
  nlohmann::json settings;

  nlohmann::json to_json() const;
  /// Throws format_error naming `where` on anything else.
  static result from_json(const nlohmann::json& json, const std::string& where);

  /// "mixture-1".
  std::string name() const { return data + "-" + std::to_string(seed); }
};

/// The result of a finished run; nothing where there is none. Throws what the store's `find` and `from_json` throw.
std::optional<result> find_result(const support::json_store& store, const std::string& name,
                                  const nlohmann::json& settings);

}  // namespace text_pairs
