// SPDX-License-Identifier: Apache-2.0
#include "scenes/support/prompt.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "transfusion/core/error.hpp"

namespace scenes {

namespace {

using words = std::span<const std::string_view>;

constexpr std::string_view relation_names[] = {"left of", "right of", "above", "below"};
constexpr std::string_view numbers[] = {"one", "two", "three", "four"};

/// What makes a shape's name many.
std::string_view plural(shape s) { return s == shape::cross ? "es" : "s"; }

std::string with_article(const noun& n) {
  const std::string s = text(n);
  return (s[0] == 'o' ? "an " : "a ") + s;
}

/// The names' values are their places in the list.
template <class Value, class Names>
std::optional<Value> value_of(const Names& names, std::string_view word) {
  const auto found = std::find(std::begin(names), std::end(names), word);
  if (found == std::end(names)) return std::nullopt;
  return static_cast<Value>(found - std::begin(names));
}

template <class Value>
std::optional<Value> named(std::string_view word, index_t count) {
  for (index_t i = 0; i < count; ++i)
    if (name(static_cast<Value>(i)) == word) return static_cast<Value>(i);
  return std::nullopt;
}

/// The words of a text, which stand between single spaces.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> all;
  while (true) {
    const std::size_t end = text.find(' ');
    all.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return all;
    text.remove_prefix(end + 1);
  }
}

/// "red circle", which has no article.
std::optional<noun> parse_noun(words w) {
  if (w.empty() || w.size() > 2) return std::nullopt;
  const auto kind = named<shape>(w.back(), shape_count);
  if (!kind) return std::nullopt;
  if (w.size() == 1) return noun{*kind};
  const auto tint = named<colour>(w[0], colour_count);
  if (!tint) return std::nullopt;
  return noun{*kind, tint};
}

// These read on where articles or endings are wrong: parse compares the whole in the end.

std::optional<prompt> read_count(words w) {
  const auto place = value_of<index_t>(numbers, w[0]);
  if (!place || w.size() < 2) return std::nullopt;
  std::vector<std::string_view> rest(w.begin() + 1, w.end());
  for (index_t s = 0; s < shape_count; ++s)
    if (rest.back().starts_with(name(shape_at(s)))) rest.back() = name(shape_at(s));
  const auto n = parse_noun(rest);
  if (!n) return std::nullopt;
  return prompt{{*n}, *place + 1, {}};
}

std::optional<prompt> read_pair(words first, words second, std::optional<relation> where) {
  if (second.empty()) return std::nullopt;
  const auto a = parse_noun(first.subspan(1)), b = parse_noun(second.subspan(1));
  if (!a || !b) return std::nullopt;
  return prompt{{*a, *b}, {}, where};
}

std::optional<prompt> read(words w) {
  if (const auto p = read_count(w)) return p;
  if (const auto n = parse_noun(w.subspan(1))) return prompt{{*n}, {}, {}};
  for (std::size_t i = 2; i < w.size(); ++i) {
    if (w[i] == "and") return read_pair(w.first(i), w.subspan(i + 1), {});
    for (index_t r = 0; r < relation_count; ++r) {
      const auto names = split(name(relation_at(r)));
      if (i + names.size() <= w.size() && std::ranges::equal(names, w.subspan(i, names.size())))
        return read_pair(w.first(i), w.subspan(i + names.size()), relation_at(r));
    }
  }
  return std::nullopt;
}

/// Whether two objects are the two nouns, in this order.
bool shows_pair(const prompt& p, const object& a, const object& b) {
  return p.nouns[0].fits(a) && p.nouns[1].fits(b) && (!p.where || holds(*p.where, a, b));
}

void require_sound(const prompt& p) {
  const auto nouns = static_cast<index_t>(p.nouns.size());
  tf::require<tf::config_error>(nouns == 1 || nouns == 2, "prompt: nouns: found ", nouns, ", expected 1 or 2");
  tf::require<tf::config_error>(!p.count || nouns == 1, "prompt: a count of two nouns: found both, expected one noun");
  tf::require<tf::config_error>(!p.where || nouns == 2,
                                "prompt: a relation of one noun: found no second, expected two");
  tf::require<tf::config_error>(!p.count || (*p.count >= 1 && *p.count <= most_counted), "prompt: count: found ",
                                p.count.value_or(0), ", expected 1 to ", most_counted);
}

}  // namespace

std::string text(const noun& n) {
  return (n.tint ? std::string(name(*n.tint)) + " " : std::string()) + std::string(name(n.kind));
}

std::vector<noun> all_nouns() {
  std::vector<noun> all;
  for (index_t s = 0; s < shape_count; ++s) all.push_back({shape_at(s)});
  for (index_t s = 0; s < shape_count; ++s)
    for (index_t c = 0; c < colour_count; ++c) all.push_back({shape_at(s), colour_at(c)});
  return all;
}

std::string_view name(relation r) { return relation_names[static_cast<std::size_t>(r)]; }

bool holds(relation r, const object& a, const object& b) {
  const double dx = b.x - a.x, dy = b.y - a.y, half = std::hypot(dx, dy) / 2;
  switch (r) {
    case relation::left_of:
      return dx > half;
    case relation::right_of:
      return -dx > half;
    case relation::above:
      return dy > half;
    default:
      return -dy > half;
  }
}

std::string caption(const prompt& p) {
  require_sound(p);
  if (p.count)
    return std::string(numbers[*p.count - 1]) + " " + text(p.nouns[0]) +
           std::string(*p.count > 1 ? plural(p.nouns[0].kind) : "");
  if (p.nouns.size() == 1) return with_article(p.nouns[0]);
  return with_article(p.nouns[0]) + " " + std::string(p.where ? name(*p.where) : "and") + " " +
         with_article(p.nouns[1]);
}

std::optional<prompt> parse(std::string_view text) {
  const auto p = read(split(text));
  return p && caption(*p) == text ? p : std::nullopt;
}

bool shows(const prompt& p, std::span<const object> objects) {
  require_sound(p);
  if (p.nouns.size() == 2)
    return objects.size() == 2 && (shows_pair(p, objects[0], objects[1]) || shows_pair(p, objects[1], objects[0]));
  return std::ssize(objects) == p.count.value_or(1) &&
         std::ranges::all_of(objects, [&](const object& o) { return p.nouns[0].fits(o); });
}

}  // namespace scenes
