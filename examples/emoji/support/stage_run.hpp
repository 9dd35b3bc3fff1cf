// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <functional>

#include "emoji/support/settings.hpp"

namespace emoji {

/// The training of a stage, which goes on from its last checkpoint where it was broken off. How many steps it has is
/// decided once, when it begins: learning rates follow from it.
class stage_run {
 public:
  /// `decide`: the steps of one that begins. Throws config_error where the one that was broken off had other settings.
  stage_run(const stage& s, const settings& all, const std::function<index_t()>& decide);

  index_t steps() const { return so_far_.steps; }
  /// A checkpoint is due each time so many steps are done.
  index_t checkpoint_every() const { return std::max<index_t>(1, steps() / 20); }
  /// Whether the stage's part is to be gone on from.
  bool goes_on() const { return goes_on_; }

  /// Hears of each step, before its checkpoint.
  void did(index_t step, index_t pictures);
  /// The training is done, its file not yet written: keeps how long it took.
  void end(index_t parameters);

 private:
  void save();

  stage stage_;
  std::function<void(const stage&, index_t)> observe_;
  bool goes_on_;
  stage_summary so_far_;
  double seconds_before_ = 0;
  support::stopwatch watch_;
};

}  // namespace emoji
