// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "transfusion/core/types.hpp"

namespace transfusion {

/// A document of a source, whole, or tokens [begin, end) of its text.
struct document_part {
  std::size_t source = 0;
  index_t number = 0;
  index_t begin = 0, end = 0;
  bool whole = true;
  index_t rows = 0;  ///< in the packed batch

  friend bool operator==(const document_part&, const document_part&) = default;
};

/// What a batch of a mixture holds.
struct mixture_batch {
  std::vector<document_part> parts;
  std::vector<index_t> rows;  ///< of each source

  friend bool operator==(const mixture_batch&, const mixture_batch&) = default;
};

/// How much a mixture has given up to a step.
struct mixture_totals {
  std::vector<index_t> rows;  ///< of each source
  double fill = 0;            ///< share of the budgets of all batches that was filled
};

}  // namespace transfusion
