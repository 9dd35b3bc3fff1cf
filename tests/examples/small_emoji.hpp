// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "emoji/support/data.hpp"

/// Six bases with five tones each, 45 emoji without: flat pictures, whose skin is the left half.
inline emoji::data small_data() {
  std::vector<support::emoji_sequence> list;
  for (char32_t base = 0; base < 6; ++base) {
    const std::string name = "hand " + std::string(1, static_cast<char>('a' + base));
    list.push_back({{0x1F440 + base}, name, "People & Body", "hand"});
    for (char32_t tone = 0; tone < 5; ++tone)
      list.push_back({{0x1F440 + base, 0x1F3FB + tone},
                      name + ": " + std::string(emoji::tones[tone]) + " skin tone",
                      "People & Body",
                      "hand"});
  }
  constexpr const char* groups[] = {"Food & Drink", "Animals & Nature", "Objects", "Food & Drink", "Food & Drink"};
  for (char32_t n = 0; n < 45; ++n)
    list.push_back(
        {{0x1F500 + n},
         (n % 2 ? "apple " : "cake ") + std::string(1, static_cast<char>('a' + n % 26)) + (n < 26 ? "" : "z"),
         groups[n % 5],
         n % 5 ? "food" : "drink"});
  list.push_back({{0x1F44B, 0x200D, 0x1F44B}, "what is longer", "Symbols", "none"});
  auto items = emoji::items_of(list);
  hold_out(items);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const support::image_shape large{3, 2 * emoji::side, 2 * emoji::side};
    items[i].large = {large, std::vector<std::uint8_t>(static_cast<std::size_t>(large.size()), 255)};
    for (std::size_t at = 0; at < items[i].large.pixels.size(); ++at)
      if (at % static_cast<std::size_t>(large.width) < static_cast<std::size_t>(emoji::side))
        items[i].large.pixels[at] = static_cast<std::uint8_t>(items[i].base < 0 ? 10 : 240 - 40 * items[i].tone);
  }
  return emoji::data(std::move(items));
}
