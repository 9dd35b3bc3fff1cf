// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "text_pairs/support/material.hpp"
#include "text_pairs/support/result.hpp"

namespace text_pairs {

/// Trains and measures what is not finished yet: for each seed the model on text alone, and the same on the mixture.
/// A training that was broken off goes on from its checkpoint. Throws what find_result throws, and format_error on a
/// checkpoint of another tokenizer, before anything is run.
std::vector<result> run_missing(const material& m, const settings& s, const nlohmann::json& of_results);

}  // namespace text_pairs
