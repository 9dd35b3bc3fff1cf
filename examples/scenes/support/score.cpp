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

}  // namespace scenes
