// SPDX-License-Identifier: Apache-2.0
#include "scenes/support/edit_measure.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace scenes {

std::vector<edited_scene> asked_edits(combinations of, index_t each, std::uint64_t seed) {
  std::vector<edited_scene> edits;
  std::array<index_t, action_count> found{};
  for (std::uint64_t n = 0; std::ssize(edits) < each * action_count; ++n) {
    edited_scene e = of == combinations::held_out ? held_out_edit(seed, n) : training_edit(seed, most_examples + n);
    if (index_t& own = found[static_cast<std::size_t>(e.asked.what)]; own < each) {
      ++own;
      edits.push_back(std::move(e));
    }
  }
  return edits;
}

template <class Exec>
std::vector<drawn_edit> draw_edits(const trained<Exec>& t, combinations of, const measuring& how) {
  const auto edits = asked_edits(of, how.each, how.seed);
  const auto prompt_of = [&](index_t i) {
    const edited_scene& e = edits[static_cast<std::size_t>(i)];
    return edit_prompt(e.before, e.asked, t.side);
  };
  std::vector<drawn_edit> drawn;
  for (tf::image& picture : draw_after(t, std::ssize(edits), prompt_of, how)) {
    const edited_scene& e = edits[drawn.size()];
    const edit_verdict verdict = judge(e.asked, e.before, picture);
    drawn.push_back({e, std::move(picture), verdict});
  }
  return drawn;
}

std::vector<drawn_edit> of_action(action a, const std::vector<drawn_edit>& edits) {
  std::vector<drawn_edit> some;
  std::ranges::copy_if(edits, std::back_inserter(some), [&](const drawn_edit& d) { return d.asked.asked.what == a; });
  return some;
}

tf::bootstrap_result share_of(bool edit_verdict::*part, const std::vector<drawn_edit>& edits) {
  std::vector<double> right;
  for (const drawn_edit& d : edits) right.push_back(d.verdict.*part ? 1 : 0);
  return tf::bootstrap_mean(right);
}

template std::vector<drawn_edit> draw_edits(const trained<support::cpu_policy>&, combinations, const measuring&);
#if TRANSFUSION_HAS_CUDA
template std::vector<drawn_edit> draw_edits(const trained<support::cuda_policy>&, combinations, const measuring&);
#endif

}  // namespace scenes
