// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "scenes/support/edit_model.hpp"
#include "scenes/support/measure.hpp"

// How often a model carries out what an instruction asks for, counted by the detector.
namespace scenes {

/// What scenes are edited: those with something held out before or after, or others that were not trained on.
enum class combinations { held_out, familiar };

/// So many edits of each action, those of lower numbers first.
std::vector<edited_scene> asked_edits(combinations of, index_t each, std::uint64_t seed);

struct drawn_edit {
  edited_scene asked;
  tf::image picture;
  edit_verdict verdict;
};

/// What a model makes of them, `how.each` of each action.
template <class Exec>
std::vector<drawn_edit> draw_edits(const trained<Exec>& t, combinations of, const measuring& how);

/// Those of one action.
std::vector<drawn_edit> of_action(action a, const std::vector<drawn_edit>& edits);

/// The share of edits for which a part of the verdict holds. The bootstrap draws edits.
tf::bootstrap_result share_of(bool edit_verdict::*part, const std::vector<drawn_edit>& edits);

}  // namespace scenes
