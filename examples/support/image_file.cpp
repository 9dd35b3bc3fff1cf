// SPDX-License-Identifier: Apache-2.0
#include "support/image_file.hpp"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "support/file.hpp"
#include "transfusion/core/error.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#include <stb_image.h>
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_STATIC
#define STBIR_ASSERT(x) ((void)0)  // one of them fails on sums that it normalises in the next line
#include <stb_image_resize.h>
#pragma GCC diagnostic pop

namespace support {
namespace fs = std::filesystem;
using transfusion::config_error;
using transfusion::format_error;
using transfusion::require;
using transfusion::shape_error;

namespace {

constexpr index_t pixel_limit = index_t{1} << 28;

/// A file's bytes with the errors that name it.
struct encoded {
  std::string name;
  std::string bytes;

  std::uint32_t byte(std::size_t i) const { return static_cast<unsigned char>(bytes[i]); }
  std::uint32_t number(std::size_t i) const {
    return byte(i) << 24 | byte(i + 1) << 16 | byte(i + 2) << 8 | byte(i + 3);
  }
  const unsigned char* data(std::size_t i = 0) const {
    return reinterpret_cast<const unsigned char*>(bytes.data()) + i;
  }
  bool begins(std::string_view signature) const { return std::string_view(bytes).starts_with(signature); }
  void require_size(std::size_t size, std::string_view what) const {
    require<format_error>(bytes.size() >= size, name, ": ", what, ": found ", bytes.size(),
                          " bytes, expected at least ", size);
  }
};

void require_pixels(const encoded& file, index_t width, index_t height) {
  require<format_error>(width == 0 || height <= pixel_limit / width, file.name, ": found ", width, "×", height,
                        " pixels, expected at most ", pixel_limit);
}

/// Walks the chunks of a PNG to IEND and compares each checksum.
void check_png(const encoded& file) {
  file.require_size(24, "PNG header");
  require_pixels(file, file.number(16), file.number(20));
  for (std::size_t at = 8;;) {
    file.require_size(at + 12, "PNG chunk");
    const std::size_t length = file.number(at);
    const std::string type = file.bytes.substr(at + 4, 4);
    file.require_size(at + 12 + length, "PNG chunk");
    const auto found = static_cast<std::uint32_t>(crc32(0, file.data(at + 4), static_cast<uInt>(length + 4)));
    const std::uint32_t expected = file.number(at + 8 + length);
    require<format_error>(found == expected, file.name, ": corrupt PNG: checksum of the chunk at byte ", at, ": found ",
                          found, ", expected ", expected);
    if (type == "IEND") return;
    at += 12 + length;
  }
}

/// Walks the segments of a JPEG, past the coded data of each scan, to its end mark.
void check_jpeg(const encoded& file) {
  std::size_t at = 2;
  const auto skip_coded_data = [&] {
    // Inside a scan, 0xFF stands before 0x00 (a data byte), before a restart mark, or before the next segment.
    for (;; ++at) {
      file.require_size(at + 2, "JPEG cut short");
      const std::uint32_t next = file.byte(at + 1);
      if (file.byte(at) == 0xFF && next != 0x00 && next != 0xFF && (next < 0xD0 || next > 0xD7)) return;
    }
  };
  for (;;) {
    file.require_size(at + 2, "JPEG cut short");
    require<format_error>(file.byte(at) == 0xFF, file.name, ": corrupt JPEG: byte ", at, ": found ", file.byte(at),
                          ", expected a marker (255)");
    const std::uint32_t marker = file.byte(at + 1);
    if (marker == 0xD9) return;
    if (marker == 0xFF) {  // padding
      ++at;
      continue;
    }
    file.require_size(at + 4, "JPEG cut short");
    at += 2 + (file.byte(at + 2) << 8 | file.byte(at + 3));
    if (marker == 0xDA) skip_coded_data();
  }
}

void check_complete(const encoded& file) {
  require<format_error>(!file.bytes.empty(), file.name, ": found an empty file, expected a PNG or JPEG");
  if (file.begins("\x89PNG\r\n\x1a\n")) return check_png(file);
  if (file.begins("\xff\xd8\xff")) return check_jpeg(file);
  throw format_error(file.name + ": found neither a PNG nor a JPEG signature, expected one");
}

std::string channel_text(index_t channels) {
  const char* const names[] = {"no channels", "1 channel (grey)", "2 channels (grey + alpha)", "3 channels (RGB)",
                               "4 channels (RGBA)"};
  return names[channels];
}

struct stb_free {
  void operator()(unsigned char* p) const { stbi_image_free(p); }
};

/// How many pixels of `extent` make `part` of `other` (both at least 1).
index_t proportional(index_t other, index_t part, index_t whole) {
  const double exact = static_cast<double>(other) * static_cast<double>(part) / static_cast<double>(whole);
  return std::max<index_t>(1, static_cast<index_t>(std::llround(exact)));
}

}  // namespace

std::vector<float> byte_image::values() const {
  std::vector<float> out(pixels.size());
  std::transform(pixels.begin(), pixels.end(), out.begin(), to_signed_unit);
  return out;
}

byte_image decode_image(const fs::path& path) {
  const encoded file{path.string(), read_file(path)};
  check_complete(file);
  require<format_error>(file.bytes.size() < (std::size_t{1} << 31), file.name, ": found ", file.bytes.size(),
                        " bytes, expected less than 2 GiB");
  const auto size = static_cast<int>(file.bytes.size());
  int width = 0, height = 0, channels = 0;
  const auto reason = [] { return std::string(stbi_failure_reason()); };
  if (!stbi_info_from_memory(file.data(), size, &width, &height, &channels))
    throw format_error(file.name + ": corrupt image: " + reason());
  require_pixels(file, width, height);
  const std::unique_ptr<unsigned char, stb_free> packed(
      stbi_load_from_memory(file.data(), size, &width, &height, &channels, 0));
  if (packed == nullptr) throw format_error(file.name + ": corrupt image: " + reason());

  byte_image image{{channels, height, width}, {}};
  image.pixels.resize(static_cast<std::size_t>(image.shape.size()));
  const index_t plane = index_t{width} * height;
  for (index_t c = 0; c < channels; ++c)
    for (index_t p = 0; p < plane; ++p)
      image.pixels[static_cast<std::size_t>(c * plane + p)] = packed.get()[p * channels + c];
  return image;
}

byte_image convert_channels(const byte_image& image, index_t channels) {
  require<config_error>(channels == 1 || channels == 3, "convert_channels: found ", channels, ", expected 1 or 3");
  const index_t found = image.shape.channels, plane = image.shape.height * image.shape.width;
  const bool alpha = found == 2 || found == 4, rgb = found >= 3;
  byte_image out{{channels, image.shape.height, image.shape.width}, {}};
  out.pixels.resize(static_cast<std::size_t>(out.shape.size()));
  for (index_t p = 0; p < plane; ++p) {
    const auto value = [&](index_t c) {
      return static_cast<double>(image.pixels[static_cast<std::size_t>(c * plane + p)]);
    };
    const double opacity = alpha ? value(found - 1) / 255.0 : 1.0;
    const auto shown = [&](index_t c) { return value(rgb ? c : 0) * opacity + 255.0 * (1.0 - opacity); };
    const auto put = [&](index_t c, double v) {
      out.pixels[static_cast<std::size_t>(c * plane + p)] =
          static_cast<std::uint8_t>(std::lround(std::clamp(v, 0.0, 255.0)));
    };
    if (channels == 3)
      for (index_t c = 0; c < 3; ++c) put(c, shown(c));
    else
      put(0, rgb ? 0.299 * shown(0) + 0.587 * shown(1) + 0.114 * shown(2) : shown(0));
  }
  return out;
}

byte_image centre_crop(const byte_image& image, index_t height, index_t width) {
  require<config_error>(height >= 1 && width >= 1, "centre_crop: found ", height, "×", width,
                        ", expected at least 1×1");
  const image_shape& from = image.shape;
  const bool too_wide = from.width * height > from.height * width;
  const index_t h = too_wide ? from.height : std::min(from.height, proportional(from.width, height, width));
  const index_t w = too_wide ? std::min(from.width, proportional(from.height, width, height)) : from.width;
  const index_t top = (from.height - h) / 2, left = (from.width - w) / 2;
  byte_image out{{from.channels, h, w}, {}};
  for (index_t c = 0; c < from.channels; ++c)
    for (index_t y = 0; y < h; ++y) {
      const auto row = image.pixels.begin() + (c * from.height + top + y) * from.width + left;
      out.pixels.insert(out.pixels.end(), row, row + w);
    }
  return out;
}

byte_image resize(const byte_image& image, index_t height, index_t width) {
  const image_shape& from = image.shape;
  constexpr index_t limit = 1 << 16;
  require<config_error>(height >= 1 && width >= 1 && height <= limit && width <= limit, "resize: found ", height, "×",
                        width, ", expected sides of 1 to ", limit);
  if (from.height == height && from.width == width) return image;
  byte_image out{{from.channels, height, width}, {}};
  out.pixels.resize(static_cast<std::size_t>(out.shape.size()));
  for (index_t c = 0; c < from.channels; ++c) {
    const int ok = stbir_resize_uint8_generic(
        image.pixels.data() + c * from.height * from.width, static_cast<int>(from.width), static_cast<int>(from.height),
        0, out.pixels.data() + c * height * width, static_cast<int>(width), static_cast<int>(height), 0, 1,
        STBIR_ALPHA_CHANNEL_NONE, 0, STBIR_EDGE_CLAMP, STBIR_FILTER_TRIANGLE, STBIR_COLORSPACE_LINEAR, nullptr);
    require<shape_error>(ok != 0, "resize: cannot go from ", from.height, "×", from.width, " to ", height, "×", width);
  }
  return out;
}

byte_image load_image(const fs::path& file, const image_shape& wanted, channel_rule rule) {
  require<config_error>((wanted.channels == 1 || wanted.channels == 3) && wanted.height >= 1 && wanted.width >= 1,
                        "load_image: wanted [", wanted.channels, ", ", wanted.height, ", ", wanted.width,
                        "], expected 1 or 3 channels and at least 1×1");
  byte_image image = decode_image(file);
  require<format_error>(image.shape.channels == wanted.channels || rule == channel_rule::convert, file.string(),
                        ": found ", channel_text(image.shape.channels), ", expected ", channel_text(wanted.channels));
  if (image.shape.channels != wanted.channels) image = convert_channels(image, wanted.channels);
  return resize(centre_crop(image, wanted.height, wanted.width), wanted.height, wanted.width);
}

}  // namespace support
