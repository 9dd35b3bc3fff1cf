// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exec/trial.hpp"

// What the cases of single operations share.
namespace operation_cases {

/// Random images packed one after another, patch 2; returns the number of values.
template <class Exec>
view<image_place, 1> random_images(trial<Exec>& t, index_t& values, index_t& patches, index_t channels,
                                   patch_shape patch = {2, 2}) {
  auto places = t.places(t.pick({1, 2, 5, 30}));
  values = patches = 0;
  for (index_t i = 0; i < places.size(); ++i) {
    const image_shape shape{channels, patch.height * t.pick({1, 2, 3, 8}), patch.width * t.pick({1, 3, 4, 14}),
                            patch.depth * (patch.depth > 1 ? t.pick({1, 2, 3}) : 1)};
    places[i] = {values, patches, shape};
    values += shape.size();
    patches += shape.size() / (channels * patch.size());
  }
  return places;
}

/// Squares, and windows of signals, images and volumes.
template <class Exec>
patch_shape random_patch(trial<Exec>& t) {
  const patch_shape among[] = {{2, 2}, {1, 1}, {1, 5}, {3, 2}, {2, 3, 2}, {1, 4, 3}};
  return among[t.below(std::ssize(among))];
}

/// A random mask over `keys` keys: packed documents, causal, with spans, windows, holes, cached keys, or no order at
/// all.
template <class Exec>
view<key_interval, 2> random_intervals(trial<Exec>& t, index_t rows, index_t keys) {
  const index_t kind = t.below(6), each = kind >= 4 ? 2 : 1 + t.below(2);
  auto table = t.intervals(rows, each);
  const index_t offset = std::max<index_t>(0, keys - rows), window = 1 + t.below(40);
  index_t document = 0, span = 0;
  for (index_t n = 0; n < rows; ++n) {
    const index_t last = std::min(keys, n + offset + 1);
    if (kind == 1 && t.below(26) == 0) document = last - 1;
    if (n + offset >= span) span = t.below(20) == 0 ? std::min(keys, last + 30) : last;
    key_interval first = key_interval::of(document, kind == 2 ? std::max(span, last) : last), second{};
    if (kind == 3) first = key_interval::of(std::max<index_t>(0, last - window), last);
    if (kind == 4) {
      const index_t hole = last / 3;
      first = key_interval::of(0, hole);
      second = key_interval::of(std::min(last, hole + 20), last);
    }
    if (kind == 5) {
      const index_t a = t.below(keys + 1), b = t.below(keys + 1), c = t.below(keys + 1);
      first = key_interval::of(std::min(a, b), std::max(a, b));
      second = key_interval::of(std::max(a, b), std::max({a, b, c}));
    }
    if (t.below(15) == 0) first = {};
    table(n, 0) = first;
    if (each == 2) table(n, 1) = second;
  }
  return table;
}

template <class Exec>
attention_shape random_heads(trial<Exec>& t) {
  const index_t kv_heads = t.pick({1, 2, 3}), width = t.pick({1, 2, 8, 20, 32, 64, 128});
  return {kv_heads * t.pick({1, 1, 2, 4}), kv_heads, width, 1 / std::sqrt(static_cast<double>(width))};
}

/// The rows a query table has: square, longer than a tile, or a few against a cache.
template <class Exec>
void random_lengths(trial<Exec>& t, index_t& rows, index_t& keys) {
  keys = t.pick({1, 3, 17, 64, 100, 150, 290});
  rows = t.coin() ? keys : t.pick({1, 2, 5, 16, 40});
}

template <class Exec>
struct operation_case {
  const char* name;
  double float_limit;  ///< largest error of cpu_exec<float>, as a share of the output's largest value
  void (*run)(trial<Exec>&);
  double smallest = 1e-30;  ///< outputs below this are taken for this large: what should cancel leaves rounding
};

/// The limit for cpu_exec<double>, all operations.
inline constexpr double double_limit = 1e-13;

}  // namespace operation_cases
