// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "support/image_file.hpp"

namespace support {

/// One image with its caption, and the line of captions.jsonl that it came from (the first line is 1).
struct captioned_image {
  std::string file;
  std::string caption;
  index_t line = 0;
  byte_image image;
};

/// A line of captions.jsonl that was left out, and why.
struct skipped_line {
  index_t line = 0;
  std::string reason;
};

struct captioned_folder {
  std::vector<captioned_image> items;
  std::vector<skipped_line> skipped;

  /// The captions, in order.
  std::vector<std::string> captions() const;
};

struct caption_options {
  image_shape image{3, 64, 64};                 ///< what every image becomes
  channel_rule channels = channel_rule::exact;  ///< what becomes of other channel counts
  bool skip_bad = false;                        ///< leave bad lines out and count them
};

/// Reads `captions.jsonl` of a folder, one {"file": …, "caption": …} a line, and the images, whose paths are relative
/// to the folder. A line that is not JSON, an empty caption, a missing or corrupt image, a wrong channel count:
/// io_error or format_error naming captions.jsonl, the line and the image, or a skipped line. Also throws format_error
/// when no usable line is left.
captioned_folder read_captions(const std::filesystem::path& folder, const caption_options& options = {});

}  // namespace support
