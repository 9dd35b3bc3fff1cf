// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb_image_write.h>
#pragma GCC diagnostic pop

namespace encoded {

inline void append(void* context, void* data, int size) {
  static_cast<std::string*>(context)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

/// A PNG of packed [H, W, C] bytes.
inline std::string png(int height, int width, int channels, const std::vector<std::uint8_t>& packed) {
  std::string bytes;
  stbi_write_png_to_func(append, &bytes, width, height, channels, packed.data(), width * channels);
  return bytes;
}

/// A JPEG of packed [H, W, C] bytes.
inline std::string jpeg(int height, int width, int channels, const std::vector<std::uint8_t>& packed) {
  std::string bytes;
  stbi_write_jpg_to_func(append, &bytes, width, height, channels, packed.data(), 95);
  return bytes;
}

}  // namespace encoded
