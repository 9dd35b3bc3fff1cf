// SPDX-License-Identifier: Apache-2.0
#include "scenes/support/edit.hpp"

#include <algorithm>
#include <cmath>

#include "scenes/support/detector.hpp"
#include "transfusion/core/error.hpp"

namespace scenes {

namespace {

constexpr double place_tolerance = 1.0 / 20, radius_tolerance = 1.0 / 25, ground_tolerance = 0.2;
constexpr double least_move = 0.1;

/// A step to the right and down.
struct direction {
  double x, y;
  std::string_view name;
};
constexpr direction directions[] = {{-1, 0, "left"}, {1, 0, "right"}, {0, -1, "up"}, {0, 1, "down"}};

bool is_move(action a) { return a >= action::move_left; }
const direction& direction_of(action a) {
  return directions[static_cast<std::size_t>(a) - static_cast<std::size_t>(action::move_left)];
}

/// The object that fits the edit's noun.
std::size_t target_of(const edit& e, const scene& s) {
  const auto fits = [&](const object& o) { return e.of.fits(o); };
  const auto found = std::ranges::count_if(s.objects, fits);
  tf::require<tf::config_error>(found == 1, instruction(e), ": objects that it fits: found ", found, ", expected 1");
  const auto target = std::ranges::find_if(s.objects, fits);
  tf::require<tf::config_error>(e.what != action::recolour || target->tint != e.to, instruction(e),
                                ": found an object of that colour, expected one of another");
  return static_cast<std::size_t>(target - s.objects.begin());
}

bool close(double a, double b) { return std::abs(a - b) <= place_tolerance; }
bool alike(const object& a, const object& b) {
  return a.kind == b.kind && a.tint == b.tint && std::abs(a.radius - b.radius) <= radius_tolerance;
}

bool is_kept(const object& before, const object& after) {
  return alike(before, after) && close(before.x, after.x) && close(before.y, after.y);
}

/// Whether an object is where one is to be that is changed and not removed.
bool is_in_place(const edit& e, const object& before, const object& after) {
  const double dx = after.x - before.x, dy = after.y - before.y;
  if (!is_move(e.what)) return close(dx, 0) && close(dy, 0);
  const direction& way = direction_of(e.what);
  return dx * way.x + dy * way.y >= least_move && close(dx * way.y, dy * way.x);
}

/// Whether `after` is what becomes of the object that is changed, which is not removed.
bool is_changed(const edit& e, object before, const object& after) {
  if (e.what == action::recolour) before.tint = e.to;
  return alike(before, after) && is_in_place(e, before, after);
}

/// What becomes of a scene. A move may lead out of the picture.
scene applied(const edit& e, scene s, dice& d) {
  const std::size_t target = target_of(e, s);
  object& o = s.objects[target];
  if (e.what == action::recolour) o.tint = e.to;
  if (e.what == action::remove) s.objects.erase(s.objects.begin() + static_cast<std::ptrdiff_t>(target));
  if (!is_move(e.what)) return s;
  const double by = d.between(1.5 * least_move, 0.5);
  o.x += by * direction_of(e.what).x;
  o.y += by * direction_of(e.what).y;
  return s;
}

edited_scene random_edit(dice& d) {
  const auto random_noun = [&] { return noun{shape_at(d.below(shape_count)), colour_at(d.below(colour_count))}; };
  prompt p{{random_noun(), random_noun()}, {}, {}};
  while (p.nouns[0].kind == p.nouns[1].kind || p.nouns[0].tint == p.nouns[1].tint) p.nouns[1] = random_noun();
  edited_scene e{scene_of(p, d), {action_at(d.below(action_count)), p.nouns[0], colour::red}, {}};
  if (e.asked.what == action::recolour) {
    do e.asked.to = colour_at(d.below(colour_count));
    while (e.asked.to == *e.asked.of.tint);
  }
  if (d.below(2) == 0) e.asked.of.tint.reset();  // the shape alone tells which is meant
  e.after = applied(e.asked, e.before, d);
  return e;
}

/// Draws until `accept`.
template <class Accept>
edited_scene chosen(dice d, Accept accept) {
  while (true) {
    edited_scene e = random_edit(d);
    if (well_placed(e.after) && accept(held_out(e.before), held_out(e.after))) return e;
  }
}

}  // namespace

std::string name(action a) {
  if (is_move(a)) return "move " + std::string(direction_of(a).name);
  return a == action::recolour ? "recolour" : "remove";
}

std::string instruction(const edit& e) {
  const std::string of = "the " + text(e.of);
  if (e.what == action::recolour) return "make " + of + " " + std::string(name(e.to));
  if (e.what == action::remove) return "remove " + of;
  return "move " + of + " " + std::string(direction_of(e.what).name);
}

std::optional<edit> parse_edit(std::string_view words) {
  // Few enough to be written down one by one.
  for (index_t a = 0; a < action_count; ++a)
    for (const noun& n : all_nouns())
      for (index_t c = 0; c < (action_at(a) == action::recolour ? colour_count : 1); ++c)
        if (const edit e{action_at(a), n, colour_at(c)}; instruction(e) == words) return e;
  return std::nullopt;
}

bool is_carried_out(const edit& e, const scene& before, const scene& after) {
  const std::size_t target = target_of(e, before);
  if (distance(before.ground, after.ground) > ground_tolerance) return false;
  if (after.objects.size() + (e.what == action::remove) != before.objects.size()) return false;
  for (std::size_t i = 0; i < before.objects.size(); ++i) {
    if (i == target && e.what == action::remove) continue;
    const object& o = before.objects[i];
    const auto becomes = [&](const object& a) { return i == target ? is_changed(e, o, a) : is_kept(o, a); };
    if (std::ranges::count_if(after.objects, becomes) != 1) return false;
  }
  return true;
}

bool is_carried_out(const edit& e, const tf::image& before, const tf::image& after) {
  const auto from = read_scene(before), to = read_scene(after);
  return from && to && is_carried_out(e, *from, *to);
}

edit_verdict judge(const edit& e, const scene& before, const tf::image& after) {
  const std::size_t target = target_of(e, before);
  const object& of = before.objects[target];
  const auto seen = find_objects(after);
  const auto any = [&](auto holds) { return std::ranges::any_of(seen, holds); };
  const auto read = read_scene(after);
  edit_verdict v{.carried_out = read && is_carried_out(e, before, *read), .others_kept = true};
  for (std::size_t i = 0; i < before.objects.size(); ++i)
    if (i != target)
      v.others_kept &= any([&](const sighting& s) { return s.certain() && is_kept(before.objects[i], s.what); });
  if (e.what == action::remove) {
    v.changed = !any([&](const sighting& s) { return std::hypot(s.what.x - of.x, s.what.y - of.y) < of.radius; });
    v.coloured = v.changed;
    return v;
  }
  const colour tint = e.what == action::recolour ? e.to : of.tint;
  v.changed = any([&](const sighting& s) { return s.certain() && is_changed(e, of, s.what); });
  v.coloured = any([&](const sighting& s) { return s.what.tint == tint && is_in_place(e, of, s.what); });
  return v;
}

edited_scene training_edit(std::uint64_t seed, std::uint64_t number) {
  return chosen(dice(seed, 2 * number, dice::use::edits), [](bool before, bool after) { return !before && !after; });
}

edited_scene held_out_edit(std::uint64_t seed, std::uint64_t number) {
  return chosen(dice(seed, 2 * number + 1, dice::use::edits), [](bool before, bool after) { return before != after; });
}

}  // namespace scenes
