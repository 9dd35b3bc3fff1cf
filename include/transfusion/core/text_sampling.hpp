// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/error.hpp"
#include "transfusion/core/types.hpp"

namespace transfusion {

/// How the next token is drawn from the logits. The default is greedy, as in the paper (§4.1).
struct text_sampling {
  double temperature = 0;  ///< 0: greedy
  index_t top_k = 0;       ///< keep the k most likely tokens; 0: all
  double top_p = 1;        ///< keep the smallest set of tokens whose probability reaches p (Holtzman et al. 2020)
};

/// Throws config_error on a setting outside its range.
inline void require_valid(const text_sampling& s) {
  require<config_error>(s.temperature >= 0, "temperature: found ", s.temperature, ", expected >= 0");
  require<config_error>(s.top_k >= 0, "top_k: found ", s.top_k, ", expected >= 0");
  require<config_error>(s.top_p > 0 && s.top_p <= 1, "top_p: found ", s.top_p, ", expected above 0 and up to 1");
}

}  // namespace transfusion
