// SPDX-License-Identifier: Apache-2.0
#include "scenes/support/score.hpp"

#include "scenes/support/detector.hpp"
#include "transfusion/core/error.hpp"

namespace scenes {

bool is_right(const prompt& p, const tf::image& picture) {
  const auto seen = read_scene(picture);
  return seen && shows(p, seen->objects);
}

bool is_true(std::string_view text, const scene& s) {
  const auto p = parse(text);
  return p && shows(*p, s.objects);
}

bool scoreboard::add(const prompt& p, const tf::image& picture) {
  const bool right = is_right(p, picture);
  tally& t = tallies_[static_cast<std::size_t>(task_of(p))];
  ++t.asked;
  t.right += right;
  return right;
}

double scoreboard::rate(task t) const {
  tf::require<tf::config_error>(asked(t) > 0, "scoreboard: pictures for ", name(t), ": found 0, expected at least 1");
  return static_cast<double>(of(t).right) / static_cast<double>(of(t).asked);
}

double scoreboard::overall() const {
  double sum = 0;
  for (index_t i = 0; i < task_count; ++i) sum += rate(task_at(i));
  return sum / static_cast<double>(task_count);
}

}  // namespace scenes
