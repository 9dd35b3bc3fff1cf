// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "scenes/support/prompt.hpp"

namespace scenes {

/// The six tasks of GenEval (Ghosh et al. 2023).
enum class task { single_object, two_objects, counting, colours, position, colour_attribution };
inline constexpr index_t task_count = 6;
constexpr task task_at(index_t i) { return static_cast<task>(i); }

/// "single object".
std::string_view name(task t);

/// The task that a prompt belongs to:
///   single object       "a circle"
///   two objects         "a circle and a square"
///   counting            "three stars", "three green stars"
///   colours             "a red circle"
///   position            "a circle left of a square", "a red circle left of a blue square"
///   colour attribution  "a red circle and a blue square"; a colour is given to one of them or both
task task_of(const prompt& p);

// What is held out: combinations that are in no training scene, named or not, while each of their parts is in many.

/// A colour of a shape: one of each shape.
bool held_out(shape s, colour c);
/// Two different shapes in one picture: one partner of each shape.
bool held_out(shape a, shape b);
/// So many of a shape and nothing else: one count of each shape.
bool held_out(index_t count, shape s);
/// `a` so placed to `b`, two shapes that are not held out as a pair: one relation of each pair.
bool held_out(shape a, relation r, shape b);
/// Two coloured shapes in one picture, nothing of which is held out: a sixth of them.
bool held_out(const object& a, const object& b);
/// Whether anything held out is in a scene.
bool held_out(const scene& s);

/// The prompts of a task that name nothing held out. Two nouns are of different shapes, and their colours differ.
const std::vector<prompt>& training_prompts(task t);

/// The prompts of a task that name what is held out for it, and nothing that is held out for another. Of single_object
/// nothing can be held out: these are its training prompts.
const std::vector<prompt>& held_out_prompts(task t);

}  // namespace scenes
