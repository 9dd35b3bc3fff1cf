// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/pixel.hpp"
#include "transfusion/core/types.hpp"

namespace support {
using transfusion::index_t;

/// A whole IDX file of bytes (LeCun's format, type 0x08): its extents and its values, row-major.
struct idx_array {
  std::vector<index_t> extents;
  std::vector<std::uint8_t> values;
};

/// Reads an IDX file, gzipped or plain. Throws io_error when it cannot be opened, format_error when it is not whole.
idx_array read_idx(const std::filesystem::path& file);

/// Grey images with a class each. pixels: [count, height, width]; labels: [count].
struct labelled_images {
  index_t count = 0;
  index_t height = 0;
  index_t width = 0;
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint8_t> labels;

  /// The [height, width] bytes of image i.
  std::span<const std::uint8_t> image(index_t i) const {
    const index_t size = height * width;
    return std::span(pixels).subspan(static_cast<std::size_t>(i * size), static_cast<std::size_t>(size));
  }
  /// Image i in [−1, 1]; `out` holds height·width values.
  void values(index_t i, std::span<float> out) const { std::ranges::transform(image(i), out.begin(), to_signed_unit); }
  /// The label of image i, as an index.
  index_t label(index_t i) const { return labels[static_cast<std::size_t>(i)]; }
};

/// Reads a pair of IDX files. Throws format_error when their counts differ, an image is empty or a label is ≥
/// `classes`.
labelled_images read_labelled_images(const std::filesystem::path& images, const std::filesystem::path& labels,
                                     index_t classes);

/// Where Debian's package dataset-fashion-mnist puts its files.
inline constexpr std::string_view fashion_mnist_folder = "/usr/share/datasets/fashion-mnist";

/// The ten classes of Fashion-MNIST (Xiao, Rasul & Vollgraf 2017), by label, as words for a caption.
inline constexpr std::array<std::string_view, 10> fashion_mnist_classes = {
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"};

enum class data_split { train, test };

/// Fashion-MNIST's 60,000 training or 10,000 test images of 28×28. Throws io_error naming the Debian package when the
/// folder is not there.
labelled_images read_fashion_mnist(data_split split, const std::filesystem::path& folder = fashion_mnist_folder);

/// "a dress", "an ankle boot".
std::string with_article(std::string_view noun);

}  // namespace support
