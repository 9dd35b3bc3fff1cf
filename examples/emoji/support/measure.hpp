// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <vector>

#include "emoji/support/data.hpp"

namespace emoji {

/// Reads the skin tone of a picture of a base: the mean colour of its skin, which is where the font's five pictures of
/// the base differ, is nearest to that of which tone in the font's own picture?
class tone_reader {
 public:
  /// Throws config_error where the base has not all five tones.
  tone_reader(const data& d, index_t base);

  index_t tone(const tf::image& picture) const;
  /// Pixels of the skin.
  const std::vector<std::size_t>& skin() const { return skin_; }

 private:
  using colour = std::array<double, 3>;
  colour mean(const tf::image& picture) const;

  std::vector<std::size_t> skin_;
  std::array<colour, tones.size()> tones_{};
};

/// 1 or 0 for each picture of a toned item: whether its tone is the one asked for.
std::vector<double> tones_right(const data& d, const std::vector<index_t>& items,
                                const std::vector<tf::image>& pictures);

/// Ten names for the picture of an item, its own first. With a skin tone: the five tones of its base and of another.
/// Without: nine more of its group, or of all where it is small.
std::vector<index_t> ten_names(const data& d, index_t i, std::uint64_t seed);

}  // namespace emoji
