// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "text_pairs/support/result.hpp"
#include "transfusion/metric/bootstrap.hpp"

// What the results say, each number with the bootstrap's interval over held-out passages or pairs.
namespace text_pairs {

/// A number that a model has on some of the held-out passages.
using text_measure = double (*)(const result&, const std::vector<index_t>& passages);

/// exp of the mean loss of a token, marks included.
double perplexity(const result& r, const std::vector<index_t>& passages);
/// Bits for each byte of the text: the same for every tokenizer.
double bits_per_byte(const result& r, const std::vector<index_t>& passages);

/// The mean of a measure over the seeds of one kind of data. Throws config_error where there is no such result.
transfusion::bootstrap_result measured(std::span<const result> results, const std::string& data, text_measure of);
/// The mixture's less that of text alone, on the same passages: the mean over the seeds that have both.
transfusion::bootstrap_result difference(std::span<const result> results, text_measure of);
/// The denoising loss of held-out pairs, the mean over the seeds.
transfusion::bootstrap_result denoising(std::span<const result> results);

/// "the paper's direction", "the other direction", or "not told from none": whether an interval lies above, below or
/// around 0.
std::string direction(const transfusion::bootstrap_result& difference);

}  // namespace text_pairs
