// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/types.hpp"

namespace transfusion {

/// How an image's rows learn its noise level.
namespace timestep {

/// The codec adds an embedding of the timestep to every patch: the paper (§3, fn 6).
struct added {
  static constexpr bool in_codec = true, modulates = false;
  static constexpr index_t lead_rows = 0;
};
/// The blocks scale, shift and gate an image's rows by its timestep; every gate starts at 0 (Peebles & Xie 2023, "DiT",
/// §3.2). Text rows stay as they are: the norms' weights are their constants.
struct adaln_zero {
  static constexpr bool in_codec = false, modulates = true;
  static constexpr index_t lead_rows = 0;
};
/// A row of its own before an image's patches holds the embedding of the timestep (JanusFlow).
struct token {
  static constexpr bool in_codec = false, modulates = false;
  static constexpr index_t lead_rows = 1;
};

}  // namespace timestep
}  // namespace transfusion
