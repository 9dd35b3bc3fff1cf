// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "transfusion/sequence/document.hpp"

namespace transfusion {

/// Documents without end, by their numbers from 0 on.
struct document_source {
  std::string name;                            ///< for errors
  std::function<document(index_t)> make;       ///< document `number`: a pure function of it
  std::function<document(index_t)> outline{};  ///< the same with images that may lack their values; empty: `make`
  double share = 1;                            ///< of the tokens, measured against the other sources' shares
};

}  // namespace transfusion
