// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "ablation/support/experiment.hpp"
#include "ablation/support/store.hpp"

namespace ablation {

/// A run of the list: its trial and seed.
struct planned_run {
  const trial* what;
  std::uint64_t seed;
};

/// Each trial once, however many experiments have it, first with seed 1, then with seed 2, and so on: a list that is
/// broken off has something of everything.
std::vector<planned_run> plan(const std::vector<experiment>& list, index_t seeds);

/// The name under which as many real pictures as are drawn are measured.
inline constexpr const char* real_pictures = "real";

/// Runs what is not in the store yet, with a progress bar over all of it, and gives the results of all. Throws what
/// result_store::find throws, before anything is run.
std::vector<result> run_missing(const std::vector<experiment>& list, const settings& s, const corpus& data,
                                const result_store& store);

}  // namespace ablation
