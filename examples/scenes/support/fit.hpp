// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "scenes/support/measure.hpp"
#include "support/paired_embedder.hpp"
#include "transfusion/metric/item_scores.hpp"

// How well pictures fit their prompts in the eyes of an embedder, as CLIP score has it.
namespace scenes {

/// Where the embedder comes from.
struct embedder_source {
  std::string file = {};     ///< a saved one; empty: train one
  std::string save_to = {};  ///< where to leave a trained one; empty: nowhere
  index_t steps = 2000;      ///< of training
  index_t pairs = 64;        ///< a step
  std::uint64_t seed = 1;
  bool quiet = false;

  void add_to(CLI::App& app);
};

/// Reads or trains an embedder of scenes of that side and their captions; nothing of what is held out is in its
/// training. Throws format_error on a file with an embedder of something else.
std::unique_ptr<support::paired_embedder> scene_embedder(const embedder_source& from, index_t side, int threads);

/// At most `count` pictures, each of another prompt, task by task in turn.
std::vector<drawn_picture> different_prompts(const std::vector<std::vector<drawn_picture>>& of_tasks, index_t count);

/// True pictures of the same prompts.
std::vector<drawn_picture> true_pictures(const std::vector<drawn_picture>& of, index_t side, std::uint64_t seed);

/// 100 · cos(picture, prompt) of each.
tf::item_scores similarity_of(support::paired_embedder& embedder, const std::vector<drawn_picture>& pictures);

struct picture_fit {
  tf::bootstrap_result similarity;  ///< 100 · cos(picture, prompt)
  tf::bootstrap_result recall_1;    ///< how often the picture's prompt is the most similar of all
  tf::bootstrap_result recall_5;    ///< how often it is among the first five
};

/// The bootstrap draws pictures. Throws config_error below two.
picture_fit fit_of(support::paired_embedder& embedder, const std::vector<drawn_picture>& pictures);

}  // namespace scenes
