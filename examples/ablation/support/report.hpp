// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "ablation/support/experiment.hpp"
#include "support/report.hpp"

namespace ablation {

/// The values of one measure over the seeds of a trial.
spread over_seeds(const std::string& trial, const std::string& measure, std::span<const result> results);

/// A line a trial: the mean of each measure that was taken ± its deviation over the seeds.
support::markdown_table measures_table(const experiment& e, std::span<const result> results);

/// Measures of a sweep: a line a solver, a column for each count of evaluations.
support::markdown_table sweep_table(const experiment& e, std::span<const result> results);

/// What a line of a sweep is called: by its solver, and by its trial where there are several.
std::string sweep_name(const experiment& e, const trial& t, const std::string& solver);

/// What others have found beside what was found here.
support::markdown_table claims_table(const experiment& e, std::span<const result> results);

/// Plain sentences on what differs from what others have found; empty where nothing does.
std::string differences(const experiment& e, std::span<const result> results);

/// Writes report.md into the folder, and its charts and sheets of drawn pictures beside it. The strips of pictures are
/// read from `strips`. Throws io_error naming the file.
void save_report(const std::filesystem::path& folder, const std::filesystem::path& strips,
                 const std::vector<experiment>& list, const settings& s, const corpus& data,
                 std::span<const result> results);

}  // namespace ablation
