// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <limits>
#include <transfusion/sequence/document.hpp>
#include <vector>

// Toy data: a name, a picture of bars and a sound, all of which say the same number.
namespace toy {

namespace tf = transfusion;

inline constexpr int kinds = 4;
inline constexpr tf::image_shape picture_shape{1, 8, 8}, sound_shape{1, 1, 32};
/// 0 and 1 are BOS and EOS, then the tokens around a picture and around a sound, then the names.
inline constexpr tf::token_t begin_picture = 2, end_picture = 3, begin_sound = 4, end_sound = 5, first_name = 6;
inline constexpr tf::index_t vocabulary = first_name + kinds;

inline tf::text name(int kind) { return {{first_name + kind}}; }

/// `kind` + 1 bars across, as bright as 1 on a ground of -1.
inline tf::image picture(int kind) {
  tf::image p{picture_shape, std::vector<float>(64, -1.0f)};
  for (int bar = 0; bar <= kind; ++bar)
    for (std::size_t x = 0; x < 8; ++x) p.values[static_cast<std::size_t>(2 * bar) * 8 + x] = 1;
  return p;
}

/// A sine of `kind` + 1 periods, in one of four phases.
inline tf::image sound(int kind, int phase) {
  tf::image s{sound_shape, {}, 1};
  for (int i = 0; i < 32; ++i)
    s.values.push_back(static_cast<float>(std::sin(2 * M_PI * ((kind + 1) * i / 32.0 + phase / 4.0))));
  return s;
}

/// The documents of a step, a pure function of its number: the three in turning order.
inline std::vector<tf::document> documents(tf::index_t step) {
  std::vector<tf::document> d;
  for (int i = 0; i < 24; ++i) {
    const int kind = i % kinds, phase = static_cast<int>(step + i) % 4;
    const tf::segment said = name(kind), seen = picture(kind), heard = sound(kind, phase);
    if (i % 3 == 0)
      d.push_back({said, seen, heard});
    else if (i % 3 == 1)
      d.push_back({heard, said, seen});
    else
      d.push_back({seen, heard, said});
  }
  return d;
}

/// The kind whose picture, or whose sound in some phase, is nearest.
inline int nearest(const tf::image& drawn) {
  int best = -1;
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 4 * kinds; ++i) {
    const tf::image real = drawn.modality == 0 ? picture(i % kinds) : sound(i % kinds, i / kinds);
    double squares = 0;
    for (std::size_t n = 0; n < real.values.size(); ++n) squares += std::pow(drawn.values[n] - real.values[n], 2);
    if (squares < least) {
      least = squares;
      best = i % kinds;
    }
  }
  return best;
}

}  // namespace toy
