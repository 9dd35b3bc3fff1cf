// SPDX-License-Identifier: Apache-2.0
#include "emoji/support/stage_run.hpp"

namespace emoji {

stage_run::stage_run(const stage& s, const settings& all, const std::function<index_t()>& decide)
    : stage_(s), observe_(all.observe), goes_on_(s.is_begun()) {
  if (goes_on_) {
    so_far_ = stage_summary::of(s);
    seconds_before_ = so_far_.seconds;
  } else {
    so_far_.steps = decide();
    so_far_.save(s);
  }
  watch_ = {};
}

void stage_run::did(index_t step, index_t pictures) {
  if (observe_) observe_(stage_, step);
  if (step >= so_far_.counted) {  // not one that a checkpoint older than the summary repeats
    so_far_.pictures += pictures;
    so_far_.counted = step + 1;
  }
  if ((step + 1) % checkpoint_every() == 0) save();
}

void stage_run::end(index_t parameters) {
  so_far_.parameters = parameters;
  save();
}

void stage_run::save() {
  so_far_.seconds = seconds_before_ + watch_.seconds();
  so_far_.save(stage_);
}

}  // namespace emoji
