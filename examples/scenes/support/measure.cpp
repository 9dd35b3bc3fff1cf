// SPDX-License-Identifier: Apache-2.0
#include "scenes/support/measure.hpp"

#include <algorithm>
#include <map>

#include "scenes/support/draw.hpp"
#include "scenes/support/score.hpp"
#include "transfusion/generate.hpp"

namespace scenes {

namespace {

constexpr index_t chunk = 200;  // documents at a time: bounds the memory of the cache

/// f(begin, end) of parts of [0, count).
template <class F>
void in_chunks(index_t count, F f) {
  for (index_t begin = 0; begin < count; begin += chunk) f(begin, std::min(begin + chunk, count));
}

}  // namespace

void measuring::add_to(CLI::App& app) {
  app.add_option("--each", each, "How many of each of the six tasks, or actions")
      ->capture_default_str()
      ->check(CLI::Range(2, 100000));
  app.add_option("--image-steps", steps, "Solver steps a picture")->capture_default_str()->check(CLI::Range(2, 1000));
  app.add_option("--guidance", guidance, "Scale of classifier-free guidance")->capture_default_str();
  app.add_option("--draw-seed", seed, "Another seed, other pictures")->capture_default_str();
}

template <class Exec>
std::vector<tf::image> draw_after(const trained<Exec>& t, index_t count,
                                  const std::function<tf::document(index_t)>& prompt_of, const measuring& how) {
  tf::generation_options options{
      .max_tokens = 0, .image = {3, t.side, t.side}, .image_steps = how.steps, .guidance = how.guidance};
  options.image_guidance = how.image_guidance;
  tf::generator<model<Exec>> generate(t.drawer, options);
  std::vector<tf::image> drawn;
  in_chunks(count, [&](index_t begin, index_t end) {
    std::vector<tf::generation_request> requests;
    for (index_t i = begin; i < end; ++i)
      requests.push_back({prompt_of(i), true, how.seed * 1000003 + static_cast<std::uint64_t>(i)});
    for (auto& made : generate(requests)) drawn.push_back(std::get<tf::image>(std::move(made.content.segments.back())));
  });
  return drawn;
}

template <class Exec>
std::vector<drawn_picture> draw_task(const trained<Exec>& t, task of, const measuring& how) {
  const auto asked = [&](index_t i) { return asked_prompt(of, static_cast<std::uint64_t>(i)); };
  std::vector<drawn_picture> drawn;
  for (auto& made : draw_after(
           t, how.each, [&](index_t i) { return tf::document{tokens(asked(i))}; }, how))
    drawn.push_back({asked(static_cast<index_t>(drawn.size())), std::move(made)});
  return drawn;
}

template <class Exec>
std::vector<told_scene> tell_task(const trained<Exec>& t, task of, const measuring& how) {
  constexpr index_t longest = 12;  // words; a caption has eight at the most
  tf::generator<model<Exec>> generate(t.drawer, {.max_tokens = longest, .max_images = 0});
  std::vector<told_scene> told;
  in_chunks(how.each, [&](index_t begin, index_t end) {
    std::vector<tf::generation_request> requests;
    for (index_t i = begin; i < end; ++i) {
      told.push_back({held_out_scene(of, how.seed, static_cast<std::uint64_t>(i)).shown, {}});
      requests.push_back({.prompt = {draw(told.back().shown, t.side)}});
    }
    const auto made = generate(requests);
    for (std::size_t i = 0; i < made.size(); ++i)
      if (const auto* said = std::get_if<tf::text>(&made[i].content.segments.back()))
        told[static_cast<std::size_t>(begin) + i].words = vocabulary().decode(said->tokens);
  });
  return told;
}

tf::bootstrap_result share_right(const std::vector<drawn_picture>& pictures) {
  struct tally {
    double right = 0, all = 0;
  };
  std::map<std::string, tally> of_prompt;
  for (const drawn_picture& p : pictures) {
    tally& t = of_prompt[caption(p.asked)];
    t.right += is_right(p.asked, p.picture) ? 1 : 0;
    t.all += 1;
  }
  std::vector<tally> tallies;
  for (const auto& [words, t] : of_prompt) tallies.push_back(t);
  return tf::bootstrap(std::ssize(tallies), [&](const std::vector<index_t>& chosen) {
    tally sum;
    for (const index_t i : chosen) {
      sum.right += tallies[static_cast<std::size_t>(i)].right;
      sum.all += tallies[static_cast<std::size_t>(i)].all;
    }
    return sum.right / sum.all;
  });
}

tf::bootstrap_result share_true(const std::vector<told_scene>& told) {
  std::vector<double> right;
  for (const told_scene& t : told) right.push_back(is_true(t.words, t.shown) ? 1 : 0);
  return tf::bootstrap_mean(right);
}

template std::vector<tf::image> draw_after(const trained<support::cpu_policy>&, index_t,
                                           const std::function<tf::document(index_t)>&, const measuring&);
template std::vector<drawn_picture> draw_task(const trained<support::cpu_policy>&, task, const measuring&);
template std::vector<told_scene> tell_task(const trained<support::cpu_policy>&, task, const measuring&);
#if TRANSFUSION_HAS_CUDA
template std::vector<tf::image> draw_after(const trained<support::cuda_policy>&, index_t,
                                           const std::function<tf::document(index_t)>&, const measuring&);
template std::vector<drawn_picture> draw_task(const trained<support::cuda_policy>&, task, const measuring&);
template std::vector<told_scene> tell_task(const trained<support::cuda_policy>&, task, const measuring&);
#endif

}  // namespace scenes
