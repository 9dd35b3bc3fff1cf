// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "text_pairs/support/material.hpp"
#include "text_pairs/support/result.hpp"

namespace text_pairs {

/// What the results say, as Markdown. Its pictures lie beside it or in runs/.
std::string report_text(const material& m, const settings& s, std::span<const result> results);

/// Writes report.md and losses.png into the folder of results.
void save_report(const material& m, const settings& s, std::span<const result> results);

}  // namespace text_pairs
