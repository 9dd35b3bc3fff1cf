// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <limits>
#include <transfusion/generate.hpp>
#include <transfusion/train.hpp>
#include <vector>

// Toy data: a bar at one of four places in a picture, and the words for it.
namespace toy {

namespace tf = transfusion;

inline constexpr int places = 4;  // left, right, top, bottom
inline constexpr tf::image_shape shape{1, 8, 8};
inline constexpr tf::token_t a = 4, bar = 5, first_place = 6;  // 0 to 3 are BOS, EOS, BOI and EOI
inline constexpr tf::index_t vocabulary = first_place + places;

/// "a bar left"
inline tf::text words(int place) { return {{a, bar, first_place + place}}; }

/// Three pixels wide, values in [-1, 1]. shift: 0 or 1.
inline tf::image picture(int place, int shift) {
  tf::image p{shape, std::vector<float>(64, -1.0f)};
  for (int i = 0; i < 24; ++i) {
    const int across = i / 8 + shift + (place % 2 ? 4 : 0), along = i % 8;
    p.values[static_cast<std::size_t>(place < 2 ? 8 * along + across : 8 * across + along)] = 1.0f;
  }
  return p;
}

/// The documents of a step, a pure function of its number: words first, then pictures first.
inline std::vector<tf::document> documents(tf::index_t step) {
  std::vector<tf::document> d;
  for (int i = 0; i < 32; ++i) {
    const int place = i % places, shift = static_cast<int>(step + i / places) % 2;
    const tf::segment said = words(place), shown = picture(place, shift);
    d.push_back(i < 16 ? tf::document{said, shown} : tf::document{shown, said});
  }
  return d;
}

/// The place whose picture is nearest, or -1 where the values are farther than 0.5 from all (root mean square).
inline int nearest_place(const tf::image& drawn) {
  int best = -1;
  double least = 0.5 * 0.5 * static_cast<double>(shape.size());
  for (int i = 0; i < 2 * places; ++i) {
    const tf::image real = picture(i % places, i / places);
    double squares = 0;
    for (std::size_t n = 0; n < real.values.size(); ++n) {
      const double d = static_cast<double>(drawn.values[n]) - static_cast<double>(real.values[n]);
      squares += d * d;
    }
    if (squares < least) {
      least = squares;
      best = i % places;
    }
  }
  return best;
}

/// How many of `count` pictures, drawn from words, show what the words say.
template <class Model>
int drawn_rightly(const Model& model, int count) {
  std::vector<tf::generation_request> requests;
  for (int i = 0; i < count; ++i)
    requests.push_back({.prompt = {words(i % places)}, .begin_image = true, .seed = static_cast<std::uint64_t>(i)});
  tf::generator<Model> draw(model, {.max_tokens = 0, .image = shape, .image_steps = 50});
  int right = 0, i = 0;
  for (const auto& result : draw(requests))
    right += nearest_place(std::get<tf::image>(result.content.segments.back())) == i++ % places;
  return right;
}

/// How many of the eight pictures get their own words.
template <class Model>
int captioned_rightly(const Model& model) {
  std::vector<tf::generation_request> requests;
  for (int i = 0; i < 2 * places; ++i) requests.push_back({.prompt = {picture(i % places, i / places)}});
  tf::generator<Model> describe(model, {.max_tokens = 4, .max_images = 0});
  int right = 0, i = 0;
  for (const auto& result : describe(requests)) {
    const auto* said = std::get_if<tf::text>(&result.content.segments.back());
    right += said != nullptr && said->tokens == words(i++ % places).tokens;
  }
  return right;
}

}  // namespace toy
