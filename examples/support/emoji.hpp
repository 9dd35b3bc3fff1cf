// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "support/image_file.hpp"

namespace support {

/// Where Debian's packages fonts-noto-color-emoji and unicode-data put their files.
inline constexpr std::string_view emoji_font = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf";
inline constexpr std::string_view emoji_names = "/usr/share/unicode/emoji/emoji-test.txt";

/// An emoji of one code point, and how Unicode calls it.
struct emoji_name {
  char32_t code = 0;
  std::string name;
};

/// The fully qualified emoji of an emoji-test.txt that are one code point, a variation selector after it left out, in
/// the file's order. Longer sequences need a shaping engine, and are passed over. Throws io_error naming the Debian
/// package where the file is not there, format_error naming a line.
std::vector<emoji_name> read_emoji_names(const std::filesystem::path& file = emoji_names);

/// An emoji of any number of code points, variation selectors left out, and the headings that it stands under.
struct emoji_sequence {
  std::vector<char32_t> codes;
  std::string name, group, subgroup;
};

/// All fully qualified emoji of an emoji-test.txt, in the file's order. Throws as read_emoji_names.
std::vector<emoji_sequence> read_emoji_sequences(const std::filesystem::path& file = emoji_names);

struct emoji_picture {
  std::string name;
  byte_image image;  ///< [3, side, side], on white
};

/// Draws the emoji that the font has as colour bitmaps, each centred in a square and averaged down to `side` pixels.
/// Throws io_error naming the Debian package where font or FreeType is not there, format_error where the font has no
/// colour bitmaps or none of these emoji, config_error unless side > 0.
std::vector<emoji_picture> draw_emoji(const std::vector<emoji_name>& names, index_t side,
                                      const std::filesystem::path& font = emoji_font);

/// The same for sequences, shaped by HarfBuzz: one picture [3, side, side] each, an empty one where the font has no
/// single glyph for the whole sequence. Throws as draw_emoji, and io_error where HarfBuzz is not there.
std::vector<byte_image> draw_emoji_sequences(const std::vector<emoji_sequence>& emoji, index_t side,
                                             const std::filesystem::path& font = emoji_font);

}  // namespace support
