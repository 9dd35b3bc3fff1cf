// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "scenes/support/generate.hpp"
#include "transfusion/sequence/document.hpp"

namespace scenes {

enum class action { recolour, remove, move_left, move_right, move_up, move_down };
inline constexpr index_t action_count = 6;
constexpr action action_at(index_t i) { return static_cast<action>(i); }

/// "recolour", "move left".
std::string name(action a);

/// One change of one object.
struct edit {
  action what = action::remove;
  noun of = {};
  colour to = colour::red;  ///< of recolour only
  friend bool operator==(const edit&, const edit&) = default;
};

/// "make the red circle blue", "remove the square", "move the star left".
std::string instruction(const edit& e);

/// What an instruction asks for; nothing where the text is not, letter for letter, one.
std::optional<edit> parse_edit(std::string_view text);

/// Whether `after` is `before` with the change that is asked for and no other. Of two pictures, objects and ground may
/// differ by what a good drawing misses: 1/20 of the side in place, 1/25 in radius, 0.2 in the ground's colour. A move
/// is at least 1/10 of the side. Throws config_error unless exactly one object of `before` fits the edit's noun, and
/// is of another colour than it is to have.
bool is_carried_out(const edit& e, const scene& before, const scene& after);

/// The same of pictures; false where an object of either is uncertain. Throws also as find_objects does.
bool is_carried_out(const edit& e, const tf::image& before, const tf::image& after);

/// What a picture shows of an edit, so that half a success is seen too.
struct edit_verdict {
  bool carried_out = false;  ///< as is_carried_out says
  bool others_kept = false;  ///< every other object is certain to be where it was, as it was
  bool changed = false;      ///< the object is certain to have become what it is to be; when removed, nothing is there
  bool coloured = false;     ///< the same of any shape and size, certain or not: the colour is where it is to be
};

/// Throws as is_carried_out does.
edit_verdict judge(const edit& e, const scene& before, const tf::image& after);

struct edited_scene {
  scene before;
  edit asked;
  scene after;
};

/// Edit `number` (under 2^40) of the training set of a seed: of scenes of two objects, with nothing held out before or
/// after.
edited_scene training_edit(std::uint64_t seed, std::uint64_t number);

/// The same with something held out either before or after, but not both.
edited_scene held_out_edit(std::uint64_t seed, std::uint64_t number);

}  // namespace scenes
