// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "parity/support/result.hpp"
#include "parity/support/step_watch.hpp"
#include "support/json_store.hpp"

namespace parity {

/// Trains one of the grid and measures it.
using training = std::function<result(const planned&, const step_watch&)>;

/// The results of the grid that the store has, in the grid's order. Throws what json_store::find throws, and
/// counted_before.
std::vector<std::optional<result>> finished(const settings& s, const support::json_store& store);

/// Runs what is not in the store yet, with a progress bar over all of the grid, and gives the results of all. Removes
/// the checkpoints of what has a result. Throws what `finished` throws, before anything is run.
std::vector<result> run_missing(const settings& s, const support::json_store& store, const training& run);

}  // namespace parity
