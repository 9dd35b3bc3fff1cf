// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scenes/support/model.hpp"
#include "transfusion/metric/bootstrap.hpp"

// What a trained model can do, counted by the detector.
namespace scenes {

/// How pictures are drawn and how many of each kind.
struct measuring {
  index_t each = 100;  ///< pictures of each task and captions of pictures of it, or edits of each action
  int steps = 50;      ///< of the solver
  double guidance = 3;
  std::uint64_t seed = 1;
  std::optional<double> image_guidance = {};  ///< the scale of the images before the one that is drawn

  void add_to(CLI::App& app);
};

/// The pictures that follow `count` prompts, each with a seed of its own.
template <class Exec>
std::vector<tf::image> draw_after(const trained<Exec>& t, index_t count,
                                  const std::function<tf::document(index_t)>& prompt_of, const measuring& how);

struct drawn_picture {
  prompt asked;
  tf::image picture;
};

/// `each` pictures of a task's `asked_prompt`s.
template <class Exec>
std::vector<drawn_picture> draw_task(const trained<Exec>& t, task of, const measuring& how);

/// A scene that a model has put into words.
struct told_scene {
  scene shown;
  std::string words;
};

/// Captions of `each` scenes of held-out prompts of a task, the likeliest word by word.
template <class Exec>
std::vector<told_scene> tell_task(const trained<Exec>& t, task of, const measuring& how);

/// The share of right pictures. The bootstrap draws prompts, each with all its pictures, which depend on each other.
/// Throws config_error below two prompts.
tf::bootstrap_result share_right(const std::vector<drawn_picture>& pictures);
/// The share of captions that are true, however much they say: of a scene many captions are, and a model cannot know
/// which one is meant. The bootstrap draws scenes.
tf::bootstrap_result share_true(const std::vector<told_scene>& told);

}  // namespace scenes
