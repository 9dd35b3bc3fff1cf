// SPDX-License-Identifier: Apache-2.0
#include "scenes/support/generate.hpp"

#include <algorithm>
#include <cmath>

#include "transfusion/core/error.hpp"

namespace scenes {

namespace {

constexpr double gap = 0.1;      // between the squares that hold two objects
constexpr double margin = 0.03;  // to the picture's edge

bool apart(const object& a, const object& b) {
  return std::max(std::abs(a.x - b.x), std::abs(a.y - b.y)) >= a.radius + b.radius + gap;
}

/// Many must be small to find room, and at 32 pixels a side a radius of 4 still tells a star from a cross.
double random_radius(index_t count, dice& d) {
  if (count == 1) return d.between(0.18, 0.36);
  return count == 2 ? d.between(0.15, 0.25) : d.between(0.14, 0.17);
}

void place(object& o, index_t count, dice& d) {
  o.radius = random_radius(count, d);
  o.x = d.between(margin + o.radius, 1 - margin - o.radius);
  o.y = d.between(margin + o.radius, 1 - margin - o.radius);
}

using objects_at = std::vector<object>::const_iterator;

bool apart_from_all(const object& o, objects_at first, objects_at last) {
  return std::all_of(first, last, [&](const object& other) { return apart(o, other); });
}

/// Places one after the other. False where one finds no room in a few tries: then those before it are in the way.
bool find_places(std::vector<object>& objects, dice& d) {
  constexpr int tries = 12;
  for (auto o = objects.begin(); o != objects.end(); ++o) {
    int left = tries;
    do place(*o, std::ssize(objects), d);
    while (!apart_from_all(*o, objects.begin(), o) && --left > 0);
    if (left == 0) return false;
  }
  return true;
}

bool inside(const object& o) {
  return std::min(o.x, o.y) >= margin + o.radius && std::max(o.x, o.y) <= 1 - margin - o.radius;
}

/// Whether the first is clearly so placed to the second.
bool clearly(relation r, const object& a, const object& b) {
  const double x = std::abs(a.x - b.x), y = std::abs(a.y - b.y);
  return holds(r, a, b) && std::min(x, y) <= 0.75 * std::max(x, y);
}

std::vector<object> wanted_objects(const prompt& p, dice& d) {
  std::vector<object> all;
  const auto add = [&](const noun& n) { all.push_back({n.kind, n.tint.value_or(colour_at(d.below(colour_count)))}); };
  for (index_t i = 0; i < p.count.value_or(1); ++i)
    for (const noun& n : p.nouns) add(n);
  return all;
}

/// Near white, perhaps a little warm or cold.
rgb random_ground(dice& d) {
  const double light = d.between(0.82, 0.98);
  return {light + d.between(-0.05, 0.02), light + d.between(-0.03, 0.02), light + d.between(-0.05, 0.02)};
}

/// A prime as stride: few prompts are spread over the list, many meet all of it.
const prompt& nth(const std::vector<prompt>& prompts, std::uint64_t number) {
  return prompts[static_cast<std::size_t>(number * 7919 % prompts.size())];
}

/// Held-out prompts as GenEval has them.
const std::vector<prompt>& asked_of(task t) {
  static const auto lists = [] {
    std::array<std::vector<prompt>, task_count> all;
    for (index_t i = 0; i < task_count; ++i)
      for (const prompt& p : held_out_prompts(task_at(i))) {
        const bool coloured = std::ranges::any_of(p.nouns, [](const noun& n) { return n.tint.has_value(); });
        if (!coloured || !(p.count || p.where)) all[static_cast<std::size_t>(i)].push_back(p);
      }
    return all;
  }();
  return lists[static_cast<std::size_t>(t)];
}

}  // namespace

bool well_placed(const scene& s) {
  for (auto a = s.objects.begin(); a != s.objects.end(); ++a)
    if (!inside(*a) || !apart_from_all(*a, s.objects.begin(), a)) return false;
  return true;
}

scene scene_of(const prompt& p, dice& d) {
  caption(p);  // throws for a prompt that is none
  scene s{wanted_objects(p, d), random_ground(d)};
  while (!find_places(s.objects, d) || (p.where && !clearly(*p.where, s.objects[0], s.objects[1]))) {
  }
  return s;
}

captioned_scene training_scene(std::uint64_t seed, std::uint64_t number) {
  dice d(seed, number, dice::use::training);
  const auto& prompts = training_prompts(task_at(d.below(task_count)));
  captioned_scene c{prompts[static_cast<std::size_t>(d.below(std::ssize(prompts)))], {}};
  // Most prompts of these two name colours, and captions without them must be seen as well.
  const bool plain = (c.words.count || c.words.where) && d.below(3) == 0;
  for (noun& n : c.words.nouns)
    if (plain) n.tint.reset();
  do c.shown = scene_of(c.words, d);
  while (held_out(c.shown));
  return c;
}

const prompt& asked_prompt(task t, std::uint64_t number) { return nth(asked_of(t), number); }
index_t asked_prompts(task t) { return std::ssize(asked_of(t)); }

captioned_scene held_out_scene(task t, std::uint64_t seed, std::uint64_t number) {
  dice d(seed, number * task_count + static_cast<std::uint64_t>(t), dice::use::asked);
  const prompt& p = nth(held_out_prompts(t), number);
  return {p, scene_of(p, d)};
}

}  // namespace scenes
