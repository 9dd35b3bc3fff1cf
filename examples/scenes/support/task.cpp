// SPDX-License-Identifier: Apache-2.0
#include "scenes/support/task.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

namespace scenes {

namespace {

constexpr std::string_view task_names[] = {"single object", "two objects", "counting",
                                           "colours",       "position",    "colour attribution"};

index_t number(shape s) { return static_cast<index_t>(s); }
index_t number(colour c) { return static_cast<index_t>(c); }

object coloured(const noun& n) { return {n.kind, *n.tint}; }

/// Which tasks' rules hold a prompt out.
std::array<bool, task_count> rules_against(const prompt& p) {
  std::array<bool, task_count> against{};
  const auto set = [&](task t, bool value) { against[static_cast<std::size_t>(t)] = value; };
  const noun &a = p.nouns.front(), &b = p.nouns.back();
  set(task::colours, std::ranges::any_of(p.nouns, [](const noun& n) { return n.tint && held_out(n.kind, *n.tint); }));
  if (p.count) set(task::counting, held_out(*p.count, a.kind));
  if (p.nouns.size() == 1) return against;
  set(task::two_objects, held_out(a.kind, b.kind));
  if (p.where) set(task::position, held_out(a.kind, *p.where, b.kind));
  if (a.tint && b.tint) set(task::colour_attribution, held_out(coloured(a), coloured(b)));
  return against;
}

std::vector<noun> nouns(bool with_colours) {
  std::vector<noun> some;
  for (const noun& n : all_nouns())
    if (n.tint.has_value() == with_colours) some.push_back(n);
  return some;
}

std::vector<prompt> single_prompts(bool with_colours) {
  std::vector<prompt> all;
  for (const noun& n : nouns(with_colours)) all.push_back({{n}});
  return all;
}

std::vector<prompt> pair_prompts(bool with_colours, std::optional<relation> where = {}) {
  std::vector<prompt> all;
  for (const noun& a : nouns(with_colours))
    for (const noun& b : nouns(with_colours))
      if (a.kind != b.kind && (!with_colours || a.tint != b.tint)) all.push_back({{a, b}, {}, where});
  return all;
}

std::vector<prompt> all_prompts(task t) {
  std::vector<prompt> all;
  const auto add = [&](const std::vector<prompt>& more) { all.insert(all.end(), more.begin(), more.end()); };
  switch (t) {
    case task::single_object:
      return single_prompts(false);
    case task::colours:
      return single_prompts(true);
    case task::two_objects:
      return pair_prompts(false);
    case task::colour_attribution:
      return pair_prompts(true);
    case task::counting:
      for (const bool with_colours : {false, true})
        for (prompt p : single_prompts(with_colours))
          for (p.count = 1; *p.count <= most_counted; ++*p.count) all.push_back(p);
      return all;
    default:
      for (const bool with_colours : {false, true})
        for (index_t r = 0; r < relation_count; ++r) add(pair_prompts(with_colours, relation_at(r)));
      return all;
  }
}

struct prompt_split {
  std::vector<prompt> training, held_out;
};

prompt_split split_of(task t) {
  prompt_split split;
  std::array<bool, task_count> own{};
  own[static_cast<std::size_t>(t)] = true;
  for (const prompt& p : all_prompts(t)) {
    const auto against = rules_against(p);
    if (against == std::array<bool, task_count>{}) split.training.push_back(p);
    if (against == own) split.held_out.push_back(p);
  }
  if (t == task::single_object) split.held_out = split.training;
  return split;
}

const prompt_split& the_split(task t) {
  static const auto splits = [] {
    std::array<prompt_split, task_count> all;
    for (index_t i = 0; i < task_count; ++i) all[static_cast<std::size_t>(i)] = split_of(task_at(i));
    return all;
  }();
  return splits[static_cast<std::size_t>(t)];
}

}  // namespace

std::string_view name(task t) { return task_names[static_cast<std::size_t>(t)]; }

task task_of(const prompt& p) {
  if (p.count) return task::counting;
  if (p.where) return task::position;
  const bool with_colour = std::ranges::any_of(p.nouns, [](const noun& n) { return n.tint.has_value(); });
  if (p.nouns.size() == 1) return with_colour ? task::colours : task::single_object;
  return with_colour ? task::colour_attribution : task::two_objects;
}

bool held_out(shape s, colour c) { return number(c) == (3 * number(s) + 1) % colour_count; }

bool held_out(shape a, shape b) { return std::abs(number(a) - number(b)) == shape_count / 2; }

bool held_out(index_t count, shape s) { return count == 2 + number(s) % 3; }

bool held_out(shape a, relation r, shape b) {
  if (a == b || held_out(a, b)) return false;
  // The rule is of the lower shape's place to the higher; left and right, above and below are pairs of neighbours.
  const index_t seen_from_higher = a < b ? static_cast<index_t>(r) : static_cast<index_t>(r) ^ 1;
  return seen_from_higher == (number(a) + number(b)) % relation_count;
}

bool held_out(const object& a, const object& b) {
  if (a.kind > b.kind) return held_out(b, a);
  const bool parts = held_out(a.kind, b.kind) || held_out(a.kind, a.tint) || held_out(b.kind, b.tint);
  if (a.kind == b.kind || parts) return false;
  return (number(a.kind) + 2 * number(b.kind) + number(a.tint) + 5 * number(b.tint)) % 6 == 0;
}

bool held_out(const scene& s) {
  const auto& all = s.objects;
  if (std::ranges::any_of(all, [](const object& o) { return held_out(o.kind, o.tint); })) return true;
  for (const object& a : all)
    for (const object& b : all) {
      if (&a == &b) continue;
      if (held_out(a.kind, b.kind) || held_out(a, b)) return true;
      for (index_t r = 0; r < relation_count; ++r)
        if (holds(relation_at(r), a, b) && held_out(a.kind, relation_at(r), b.kind)) return true;
    }
  const auto same = [&](const object& o) { return o.kind == all[0].kind; };
  return !all.empty() && std::ranges::all_of(all, same) && held_out(std::ssize(all), all[0].kind);
}

const std::vector<prompt>& training_prompts(task t) { return the_split(t).training; }
const std::vector<prompt>& held_out_prompts(task t) { return the_split(t).held_out; }

}  // namespace scenes
