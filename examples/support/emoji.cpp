// SPDX-License-Identifier: Apache-2.0
#include "support/emoji.hpp"

#include <charconv>
#include <sstream>

#include "support/file.hpp"
#include "transfusion/core/error.hpp"

#if TRANSFUSION_HAS_FREETYPE
#include <ft2build.h>

#include <memory>
#include FT_FREETYPE_H
#endif
#if TRANSFUSION_HAS_HARFBUZZ
#include <hb.h>
#endif

namespace support {
namespace fs = std::filesystem;
using transfusion::config_error;
using transfusion::format_error;
using transfusion::io_error;
using transfusion::require;

namespace {

void require_there(const fs::path& file, std::string_view package) {
  std::error_code fault;
  require<io_error>(fs::exists(file, fault), file.string(), ": no such file; the Debian package ", package, " has it");
}

/// Curly quotes become plain ones, or go: they would be part of words.
std::string plain(std::string name) {
  const std::pair<std::string_view, std::string_view> signs[] = {{"\u2019", "'"}, {"\u201c", ""}, {"\u201d", ""}};
  for (const auto& [from, to] : signs)
    for (std::size_t at = name.find(from); at != name.npos; at = name.find(from)) name.replace(at, from.size(), to);
  return name;
}

/// The code points of "1F600 FE0F", without variation selectors.
std::vector<char32_t> code_points(const std::string& text, const std::string& where) {
  std::vector<char32_t> codes;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    std::uint32_t code = 0;
    const auto end = std::from_chars(word.data(), word.data() + word.size(), code, 16);
    require<format_error>(end.ec == std::errc{} && end.ptr == word.data() + word.size() && code <= 0x10FFFF, where,
                          "found \"", word, "\", expected a code point");
    if (code != 0xFE0F) codes.push_back(code);
  }
  return codes;
}

/// The name in " 😀 E1.0 grinning face".
std::string name_in(const std::string& comment, const std::string& where) {
  std::istringstream words(comment);
  std::string sign, version, name;
  words >> sign >> version >> std::ws;
  std::getline(words, name);
  require<format_error>(version.starts_with('E') && !name.empty(), where, "found \"#", comment,
                        "\", expected \"# emoji E1.0 name\"");
  return plain(name);
}

}  // namespace

std::vector<emoji_sequence> read_emoji_sequences(const fs::path& file) {
  require_there(file, "unicode-data");
  std::istringstream in(read_file(file));
  std::vector<emoji_sequence> emoji;
  std::string group, subgroup;
  index_t number = 0;
  for (std::string line; std::getline(in, line);) {
    const std::string where = file.string() + ": line " + std::to_string(++number) + ": ";
    for (const auto& [heading, into] : {std::pair("# group: ", &group), std::pair("# subgroup: ", &subgroup)})
      if (line.starts_with(heading)) *into = line.substr(std::string_view(heading).size());
    if (line.empty() || line[0] == '#') continue;
    const std::size_t status = line.find(';'), comment = line.find('#');
    require<format_error>(status != line.npos && comment != line.npos && status < comment, where, "found \"", line,
                          "\", expected \"code points; status # emoji name\"");
    if (line.substr(status, comment - status).find(" fully-qualified") == line.npos) continue;
    auto codes = code_points(line.substr(0, status), where);
    require<format_error>(!codes.empty(), where, "found no code point, expected one at least");
    emoji.push_back({std::move(codes), name_in(line.substr(comment + 1), where), group, subgroup});
  }
  require<format_error>(!emoji.empty(), file.string(), ": found no emoji, expected some");
  return emoji;
}

std::vector<emoji_name> read_emoji_names(const fs::path& file) {
  std::vector<emoji_name> names;
  for (emoji_sequence& e : read_emoji_sequences(file))
    if (e.codes.size() == 1) names.push_back({e.codes[0], std::move(e.name)});
  require<format_error>(!names.empty(), file.string(), ": found no emoji of one code point, expected some");
  return names;
}

#if TRANSFUSION_HAS_FREETYPE

namespace {

/// A font, opened at its first size of colour bitmaps.
class color_font {
 public:
  explicit color_font(const fs::path& file) {
    FT_Library library = nullptr;
    require<io_error>(FT_Init_FreeType(&library) == 0, "FreeType cannot be started");
    library_.reset(library);
    FT_Face face = nullptr;
    require<format_error>(FT_New_Face(library, file.c_str(), 0, &face) == 0, file.string(),
                          ": found no font that FreeType reads");
    face_.reset(face);
    require<format_error>(FT_HAS_COLOR(face) && face->num_fixed_sizes > 0 && FT_Select_Size(face, 0) == 0,
                          file.string(), ": found a font without colour bitmaps, expected some");
  }

  /// On white, centred in a square [3, side, side] of the larger side of the bitmap; nothing where the font has none.
  byte_image draw(char32_t code) const { return draw_glyph(FT_Get_Char_Index(face_.get(), code)); }
  /// The same for a glyph's number in the font; 0: none.
  byte_image draw_glyph(FT_UInt glyph) const {
    if (glyph == 0 || FT_Load_Glyph(face_.get(), glyph, FT_LOAD_COLOR | FT_LOAD_RENDER) != 0) return {};
    const FT_Bitmap& bitmap = face_->glyph->bitmap;
    if (bitmap.pixel_mode != FT_PIXEL_MODE_BGRA || bitmap.width == 0 || bitmap.rows == 0) return {};
    const auto height = static_cast<index_t>(bitmap.rows), width = static_cast<index_t>(bitmap.width);
    const index_t side = std::max(height, width), top = (side - height) / 2, left = (side - width) / 2;
    byte_image square{{3, side, side}, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * side * side), 255)};
    for (index_t y = 0; y < height; ++y)
      for (index_t x = 0; x < width; ++x) {
        const unsigned char* bgra = bitmap.buffer + y * bitmap.pitch + 4 * x;
        for (index_t c = 0; c < 3; ++c)  // the colours come multiplied by the opacity
          square.pixels[static_cast<std::size_t>((c * side + top + y) * side + left + x)] =
              static_cast<std::uint8_t>(std::min(255, bgra[2 - c] + 255 - bgra[3]));
      }
    return square;
  }

 private:
  struct closer {
    void operator()(FT_Library library) const { FT_Done_FreeType(library); }
    void operator()(FT_Face face) const { FT_Done_Face(face); }
  };
  std::unique_ptr<FT_LibraryRec_, closer> library_;
  std::unique_ptr<FT_FaceRec_, closer> face_;
};

}  // namespace

std::vector<emoji_picture> draw_emoji(const std::vector<emoji_name>& names, index_t side, const fs::path& file) {
  require<config_error>(side > 0, "emoji: side: found ", side, ", expected > 0");
  require_there(file, "fonts-noto-color-emoji");
  const color_font font(file);
  std::vector<emoji_picture> pictures;
  for (const emoji_name& e : names)
    if (const byte_image square = font.draw(e.code); !square.pixels.empty())
      pictures.push_back({e.name, resize(square, side, side)});
  require<format_error>(!pictures.empty(), file.string(), ": found none of the ", names.size(), " emoji asked for");
  return pictures;
}

#else

std::vector<emoji_picture> draw_emoji(const std::vector<emoji_name>&, index_t, const fs::path&) {
  throw io_error("emoji: this program was built without FreeType; the Debian package libfreetype-dev has it");
}

#endif

#if TRANSFUSION_HAS_FREETYPE && TRANSFUSION_HAS_HARFBUZZ

namespace {

/// Finds the one glyph that a font has for a sequence of code points, by the font's ligatures.
class shaper {
 public:
  explicit shaper(const fs::path& file) {
    hb_blob_t* blob = hb_blob_create_from_file(file.c_str());
    hb_face_t* face = hb_face_create(blob, 0);
    font_.reset(hb_font_create(face));  // which keeps the others alive
    hb_face_destroy(face);
    hb_blob_destroy(blob);
  }

  /// 0 where the font draws the sequence as several glyphs, or not at all.
  hb_codepoint_t glyph(const std::vector<char32_t>& codes) const {
    const std::vector<std::uint32_t> text(codes.begin(), codes.end());
    const auto length = static_cast<int>(text.size());
    const std::unique_ptr<hb_buffer_t, closer> buffer(hb_buffer_create());
    hb_buffer_add_utf32(buffer.get(), text.data(), length, 0, length);
    hb_buffer_guess_segment_properties(buffer.get());
    hb_shape(font_.get(), buffer.get(), nullptr, 0);
    unsigned count = 0;
    const hb_glyph_info_t* glyphs = hb_buffer_get_glyph_infos(buffer.get(), &count);
    return count == 1 ? glyphs[0].codepoint : 0;
  }

 private:
  struct closer {
    void operator()(hb_font_t* font) const { hb_font_destroy(font); }
    void operator()(hb_buffer_t* buffer) const { hb_buffer_destroy(buffer); }
  };
  std::unique_ptr<hb_font_t, closer> font_;
};

}  // namespace

std::vector<byte_image> draw_emoji_sequences(const std::vector<emoji_sequence>& emoji, index_t side,
                                             const fs::path& file) {
  require<config_error>(side > 0, "emoji: side: found ", side, ", expected > 0");
  require_there(file, "fonts-noto-color-emoji");
  const color_font font(file);
  const shaper shape(file);
  std::vector<byte_image> pictures;
  bool any = false;
  for (const emoji_sequence& e : emoji) {
    const byte_image square = font.draw_glyph(shape.glyph(e.codes));
    pictures.push_back(square.pixels.empty() ? byte_image{} : resize(square, side, side));
    any = any || !square.pixels.empty();
  }
  require<format_error>(any, file.string(), ": found none of the ", emoji.size(), " emoji asked for");
  return pictures;
}

#else

std::vector<byte_image> draw_emoji_sequences(const std::vector<emoji_sequence>&, index_t, const fs::path&) {
  throw io_error(
      "emoji: this program was built without FreeType or HarfBuzz; the Debian packages libfreetype-dev and "
      "libharfbuzz-dev have them");
}

#endif

}  // namespace support
