// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/sequence/document.hpp"

namespace transfusion {

/// An item to begin from instead of noise, and what of it stays.
struct image_edit {
  image given;
  /// Begins at x_t = signal·given + noise·ε of this time, in (0, 1] (SDEdit: Meng et al. 2022, algorithm 1). At 1 it
  /// begins from ε alone, as without an edit.
  double from_time = 1;
  /// What is kept, not 0: one entry for each value of `given`, or for each place [Z, H, W] in all channels; empty:
  /// nothing. A kept value stands at the level of the others after every step (Lugmayr et al. 2022, eq. 8a, with one
  /// draw of noise for all steps), and in the end is the given one.
  std::vector<char> keep{};

  bool keeps(index_t value) const { return !keep.empty() && keep[static_cast<std::size_t>(value) % keep.size()] != 0; }
};

/// Throws shape_error where the parts of an edit do not fit each other, config_error on a time outside its range.
inline void require_valid(const image_edit& e) {
  const image_shape s = e.given.shape;
  require_extent("edit: number of values against the shape", static_cast<index_t>(e.given.values.size()), s.size());
  const auto kept = static_cast<index_t>(e.keep.size());
  const index_t places = s.depth * s.height * s.width;
  require<shape_error>(kept == 0 || kept == s.size() || kept == places, "edit: keep: found ", kept,
                       " entries, expected ", s.size(), " (each value), ", places, " (each place), or none");
  require<config_error>(e.from_time > 0 && e.from_time <= 1, "edit: from_time: found ", e.from_time,
                        ", expected above 0 and up to 1");
}

/// What to generate from one prompt.
struct generation_request {
  document prompt;             ///< text and images so far; images are read clean
  bool begin_image = false;    ///< go into image mode at once, as if the model had asked for an image
  std::uint64_t seed = 0;      ///< of this request alone: its result does not depend on its neighbours, but for rk45
  index_t begin_modality = 0;  ///< which modality `begin_image` asks for
  std::optional<image_edit> edit{};  ///< of the item that `begin_image` asks for
};

}  // namespace transfusion
