// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "support/emoji.hpp"
#include "transfusion/core/philox.hpp"
#include "transfusion/sequence/document.hpp"

/// Colour emoji with their names: what the stages of the program share.
namespace emoji {

namespace tf = transfusion;
using tf::index_t;

inline constexpr index_t side = 64;  ///< pixels of a picture along each axis
inline constexpr tf::image_shape picture_shape{3, side, side};
inline constexpr std::array<std::string_view, 5> tones{"light", "medium-light", "medium", "medium-dark", "dark"};

/// An emoji of the data set.
struct item {
  std::string name;  ///< "waving hand: medium skin tone"
  std::string group, subgroup;
  index_t base = -1;  ///< of one with a skin tone: the item without
  index_t tone = -1;  ///< its number in `tones`
  bool held_out = false;
  support::byte_image large;  ///< [3, 2·side, 2·side]; what views are cut from
};

/// Those emoji that are one code point, or one and a skin tone, with their bases found. Pictures are empty.
std::vector<item> items_of(const std::vector<support::emoji_sequence>& emoji);

/// Marks what no training sees: of every second emoji with skin tones one tone, the tones in turn, and of those without
/// every twentieth.
void hold_out(std::vector<item>& items);

class data {
 public:
  /// Reads the names and draws them. Throws as support::draw_emoji_sequences.
  data();
  /// Of items that have their pictures.
  explicit data(std::vector<item> items);

  const std::vector<item>& items() const { return items_; }
  const item& at(index_t i) const { return items_[static_cast<std::size_t>(i)]; }
  /// The headings of emoji-test.txt that the items stand under.
  const std::vector<std::string>& groups() const { return groups_; }
  index_t group(index_t i) const { return groups_of_[static_cast<std::size_t>(i)]; }

  /// Numbers of items.
  const std::vector<index_t>& training() const { return training_; }
  const std::vector<index_t>& held_out_emoji() const { return held_out_emoji_; }
  const std::vector<index_t>& held_out_tones() const { return held_out_tones_; }
  /// The five items of a base by tone; -1 where the font has none. Empty for a base without tones.
  const std::vector<index_t>& toned(index_t base) const { return toned_[static_cast<std::size_t>(base)]; }
  /// Bases with all five tones.
  const std::vector<index_t>& bases() const { return bases_; }

  /// As the font draws it, in [-1, 1].
  tf::image picture(index_t i) const;
  /// A view of it: 0.75 to 1.1 times its size, shifted by up to 6 pixels, mirrored half of the time. `draw` numbers the
  /// views of one key.
  tf::image view(index_t i, const tf::random_key& key, std::uint64_t draw) const;

 private:
  std::vector<item> items_;
  std::vector<std::string> groups_;
  std::vector<index_t> groups_of_, training_, held_out_emoji_, held_out_tones_, bases_;
  std::vector<std::vector<index_t>> toned_;
};

/// "a" or "an", as the name begins.
std::string article(std::string_view name);
/// "i ate" for food: how a sentence about the item begins; empty for what no sentence is made of.
std::string verb(const item& i);

}  // namespace emoji
