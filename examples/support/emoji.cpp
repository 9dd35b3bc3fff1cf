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

std::vector<emoji_name> read_emoji_names(const fs::path& file) {
  require_there(file, "unicode-data");
  std::istringstream in(read_file(file));
  std::vector<emoji_name> names;
  index_t number = 0;
  for (std::string line; std::getline(in, line);) {
    const std::string where = file.string() + ": line " + std::to_string(++number) + ": ";
    if (line.empty() || line[0] == '#') continue;
    const std::size_t status = line.find(';'), comment = line.find('#');
    require<format_error>(status != line.npos && comment != line.npos && status < comment, where, "found \"", line,
                          "\", expected \"code points; status # emoji name\"");
    if (line.substr(status, comment - status).find(" fully-qualified") == line.npos) continue;
    const auto codes = code_points(line.substr(0, status), where);
    if (codes.size() == 1) names.push_back({codes[0], name_in(line.substr(comment + 1), where)});
  }
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
  byte_image draw(char32_t code) const {
    const FT_UInt glyph = FT_Get_Char_Index(face_.get(), code);
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

}  // namespace support
