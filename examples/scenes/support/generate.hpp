// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "scenes/support/dice.hpp"
#include "scenes/support/task.hpp"

namespace scenes {

/// A scene that shows what is asked for, no more, with chance in the rest: places, sizes, ground, and the colours that
/// are not given. Between the squares that hold two objects lies a tenth of the side or more, and where a relation is
/// asked for, the way across is at most three quarters of the way along. Throws config_error for a prompt that is none.
scene scene_of(const prompt& p, dice& d);

/// Whether every object lies inside the picture with a margin, and far enough from each other, as scene_of places them.
bool well_placed(const scene& s);

struct captioned_scene {
  prompt words;
  scene shown;
};

/// Scene `number` of the training set of a seed: a task, one of its training prompts, and a scene without anything held
/// out. Here and below any number under 2^40 can be asked for, in any order.
captioned_scene training_scene(std::uint64_t seed, std::uint64_t number);

/// Held-out prompt `number` of a task: what a model is measured on. Numbers run round the list in strides, so that few
/// of them are of all kinds. As in GenEval, what is counted or placed has no colour in it.
const prompt& asked_prompt(task t, std::uint64_t number);
/// How many different prompts those are.
index_t asked_prompts(task t);

/// A scene for held-out prompt `number` of a task, plain or coloured, which runs round the list.
captioned_scene held_out_scene(task t, std::uint64_t seed, std::uint64_t number);

}  // namespace scenes
