// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scenes/support/scene.hpp"

namespace scenes {

/// A shape that is asked for, of any colour or of one.
struct noun {
  shape kind = shape::circle;
  std::optional<colour> tint = {};

  bool fits(const object& o) const { return o.kind == kind && (!tint || o.tint == *tint); }
  friend bool operator==(const noun&, const noun&) = default;
};

/// "red circle".
std::string text(const noun& n);

/// Every shape, without a colour and then in each.
std::vector<noun> all_nouns();

enum class relation { left_of, right_of, above, below };
inline constexpr index_t relation_count = 4;
constexpr relation relation_at(index_t i) { return static_cast<relation>(i); }

/// "left of".
std::string_view name(relation r);

/// Whether `a` is so placed to `b`: the line between their middles goes that way by more than half of its length, as in
/// GenEval's code, which also takes off a tenth of both sizes. On a diagonal two relations hold.
bool holds(relation r, const object& a, const object& b);

/// What a caption says:
///   caption = noun | noun "and" noun | noun relation noun | number noun
///   noun    = "a" or "an", perhaps a colour, a shape; after a number without the article, and from two on as many
///   number  = "one" to "four"
struct prompt {
  std::vector<noun> nouns;             ///< one or two
  std::optional<index_t> count = {};   ///< 1 to 4 of the only noun
  std::optional<relation> where = {};  ///< where the first of two is, seen from the second
  friend bool operator==(const prompt&, const prompt&) = default;
};
inline constexpr index_t most_counted = 4;

/// The words of a prompt: "a red circle left of a blue square", "three green stars". Throws config_error for a prompt
/// that is none.
std::string caption(const prompt& p);

/// What a caption asks for; nothing where the text is not, letter for letter, a caption.
std::optional<prompt> parse(std::string_view text);

/// Whether the objects are those that are asked for, and no others.
bool shows(const prompt& p, std::span<const object> objects);

}  // namespace scenes
