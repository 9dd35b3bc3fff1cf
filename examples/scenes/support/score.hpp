// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

#include "scenes/support/task.hpp"
#include "transfusion/sequence/document.hpp"

namespace scenes {

/// Whether a picture shows what is asked for and nothing else, every object of it certain. GenEval asks that only of
/// what is counted; here an object too many is always wrong. Throws as find_objects does.
bool is_right(const prompt& p, const tf::image& picture);

/// Whether a text is a caption that is true of a scene and leaves out none of its objects.
bool is_true(std::string_view text, const scene& s);

/// The share of right pictures in each of GenEval's tasks.
class scoreboard {
 public:
  /// Judges a picture that was drawn for a prompt, and counts it for the prompt's task.
  bool add(const prompt& p, const tf::image& picture);

  index_t asked(task t) const { return of(t).asked; }
  /// Throws config_error where the task was never asked.
  double rate(task t) const;
  /// GenEval's overall score: the mean of the six rates. Throws as rate does.
  double overall() const;

 private:
  struct tally {
    index_t asked = 0;
    index_t right = 0;
  };
  const tally& of(task t) const { return tallies_[static_cast<std::size_t>(t)]; }

  std::array<tally, task_count> tallies_{};
};

}  // namespace scenes
