// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exec/operation_case.hpp"
#include "transfusion/layer/convolution_taps.hpp"

// As operation_cases.hpp: what codecs, other blocks and samplers call.
namespace operation_cases {

/// Pixels of one to four images, signals or volumes, and the tables of a convolution over them.
template <class Exec>
struct random_convolution {
  index_t inputs = 0, outputs = 0;
  view<const token_t, 2> taps, reverse;

  explicit random_convolution(trial<Exec>& t) {
    const index_t kind = t.below(3), depth = kind == 2 ? t.pick({1, 2, 3}) : 1;
    std::vector<patch_grid> grids(static_cast<std::size_t>(t.pick({1, 2, 4})));
    for (patch_grid& g : grids) g = {kind == 0 ? 1 : t.pick({1, 2, 5, 8}), t.pick({1, 3, 4, 14}), depth};
    const index_t kernel = t.pick({1, 3}), stride = t.pick({1, 2});
    convolution_taps tables;
    tables.build(grids, {kind == 0 ? 1 : kernel, kernel, kind == 2 ? kernel : 1},
                 {kind == 0 ? 1 : stride, stride, kind == 2 ? stride : 1});
    for (const patch_grid& g : grids) inputs += g.patches();
    for (const patch_grid& g : tables.grids) outputs += g.patches();
    taps = t.table(tables.taps, tables.taps_each);
    reverse = t.table(tables.reverse, tables.taps_each);
  }
};

/// Rows cut into images, each with at least one.
template <class Exec>
view<const key_interval, 1> random_ranges(trial<Exec>& t, index_t rows) {
  const index_t images = std::min(rows, t.pick({1, 2, 5}));
  const auto ranges = t.intervals(images, 1);
  for (index_t i = 0, begin = 0; i < images; ++i) {
    const index_t end = i + 1 == images ? rows : begin + 1 + t.below(rows - begin - (images - 1 - i));
    ranges(i, 0) = key_interval::of(begin, end);
    begin = end;
  }
  return ranges.flat();
}

/// Means and reciprocal deviations [rows, 2] as a norm may have left them.
template <class Exec>
view<const typename Exec::scalar, 2> random_statistics(trial<Exec>& t, index_t rows) {
  const auto stats = t.values(rows, 2);
  for (index_t i = 0; i < rows; ++i) stats(i, 1) = std::abs(stats(i, 1)) + typename Exec::scalar{0.125};
  return stats;
}

/// Halves of whole numbers, so that many are equal.
template <class Exec>
view<const typename Exec::scalar, 2> with_ties(trial<Exec>& t, index_t rows, index_t cols) {
  const auto x = t.values(rows, cols);
  for (index_t i = 0; i < x.size(); ++i) x.data[i] = std::round(2 * x.data[i]) / 2;
  return x;
}

/// Means and log-variances [rows, 2 channels], now and then some beyond their range.
template <class Exec>
view<const typename Exec::scalar, 2> random_moments(trial<Exec>& t, index_t rows, index_t channels) {
  const auto moments = t.values(rows, 2 * channels);
  if (t.below(4) == 0)
    for (index_t n = 0; n < rows; ++n) moments(n, channels) *= 20;
  return moments;
}

template <class Exec>
std::vector<operation_case<Exec>> codec_cases() {
  using run = trial<Exec>;
  using T = typename Exec::scalar;
  return {
      {"convolution", 3e-6,
       [](run& t) {
         const random_convolution<Exec> c(t);
         const index_t channels = t.pick({1, 3, 8, 33, 64}), out = t.pick({1, 5, 32, 65});
         auto x = t.input(c.inputs, channels), w = t.input(out, c.taps.cols() * channels);
         auto b = t.coin() ? t.input(out) : view<const T, 1>{};
         auto y = t.poisoned(c.outputs, out);
         t.call([&] { t.exec.convolution(y, x, w, b, c.taps); });
       }},
      {"convolution_backward", 4e-6,
       [](run& t) {
         const random_convolution<Exec> c(t);
         const index_t channels = t.pick({1, 3, 8, 33, 64}), out = t.pick({1, 5, 32, 65});
         const index_t depth = c.taps.cols() * channels;
         auto dy = t.input(c.outputs, out), x = t.input(c.inputs, channels), w = t.input(out, depth);
         auto dx = t.maybe_sink(c.inputs, channels);
         auto dw = t.below(5) ? t.filled(out, depth) : view<T, 2>{};
         auto db = t.coin() ? t.filled(1, out).flat() : view<T, 1>{};
         t.call([&] { t.exec.convolution_backward(dx, dw, db, dy, x, w, c.taps, c.reverse); });
       }},
      {"max_pool", 0,
       [](run& t) {
         const random_convolution<Exec> c(t);
         auto x = with_ties(t, c.inputs, t.pick({1, 3, 33, 520}));
         auto y = t.poisoned(c.outputs, x.cols());
         t.call([&] { t.exec.max_pool(y, x, c.taps); });
       }},
      {"max_pool_backward", 1e-6,
       [](run& t) {
         const random_convolution<Exec> c(t);
         auto x = with_ties(t, c.inputs, t.pick({1, 3, 33, 520}));
         auto dy = t.input(c.outputs, x.cols());
         auto dx = t.sink(c.inputs, x.cols());
         t.call([&] { t.exec.max_pool_backward(dx, dy, x, c.taps, c.reverse); });
       }},
      {"layer_norm", 4e-6,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent();
         auto x = t.input(n, width);
         auto w = t.coin() ? t.input(width) : view<const T, 1>{}, b = t.coin() ? t.input(width) : view<const T, 1>{};
         auto y = t.poisoned(n, width);
         auto stats = t.poisoned(n, 2);
         t.call([&] { t.exec.layer_norm(y, stats, x, w, b, 1e-3); });
       }},
      {"layer_norm_backward", 4e-6,
       [](run& t) {
         const index_t n = 4 * t.extent(), width = t.extent();
         auto dy = t.input(n, width), x = t.input(n, width);
         auto w = t.coin() ? t.input(width) : view<const T, 1>{};
         auto stats = random_statistics(t, n);
         auto dx = t.maybe_sink(n, width);
         auto dw = t.below(5) ? t.filled(1, width).flat() : view<T, 1>{};
         auto db = t.below(5) ? t.filled(1, width).flat() : view<T, 1>{};
         t.call([&] { t.exec.layer_norm_backward(dx, dw, db, dy, x, w, stats); });
       }},
      {"group_norm", 4e-6,
       [](run& t) {
         const index_t n = 3 * t.extent(), groups = t.pick({1, 2, 8}), width = groups * t.pick({1, 3, 4, 16, 17});
         auto x = t.input(n, width);
         auto w = t.input(width), b = t.input(width);
         const auto ranges = random_ranges(t, n);
         auto y = t.poisoned(n, width);
         auto stats = t.poisoned(ranges.size() * groups, 2);
         t.call([&] { t.exec.group_norm(y, stats, x, w, b, ranges, groups, 1e-3); });
       }},
      {"group_norm_backward", 4e-6,
       [](run& t) {
         const index_t n = 3 * t.extent(), groups = t.pick({1, 2, 8}), width = groups * t.pick({1, 3, 4, 16, 17});
         auto dy = t.input(n, width), x = t.input(n, width);
         auto w = t.input(width);
         const auto ranges = random_ranges(t, n);
         auto stats = random_statistics(t, ranges.size() * groups);
         auto dx = t.maybe_sink(n, width);
         auto dw = t.below(5) ? t.filled(1, width).flat() : view<T, 1>{};
         auto db = t.below(5) ? t.filled(1, width).flat() : view<T, 1>{};
         t.call([&] { t.exec.group_norm_backward(dx, dw, db, dy, x, w, stats, ranges, groups); });
       }},
      {"gelu", 2e-6,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent();
         auto x = t.input(n, width, 3);
         auto y = t.poisoned(n, width);
         t.call([&] { t.exec.gelu(y, x); });
       }},
      {"gelu_backward", 2e-6,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent();
         auto dy = t.input(n, width), x = t.input(n, width, 3);
         auto dx = t.sink(n, width);
         t.call([&] { t.exec.gelu_backward(dx, dy, x); });
       }},
      {"leaky_relu", 1e-7,
       [](run& t) {
         auto x = t.input(t.extent(), t.extent());
         auto y = t.poisoned(x.rows(), x.cols());
         const double slope = t.coin() ? 0.2 : 0.0;
         t.call([&] { t.exec.leaky_relu(y, x, slope); });
       }},
      {"leaky_relu_backward", 2e-7,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent();
         auto dy = t.input(n, width), x = t.input(n, width);
         auto dx = t.sink(n, width);
         const double slope = t.coin() ? 0.2 : 0.0;
         t.call([&] { t.exec.leaky_relu_backward(dx, dy, x, slope); });
       }},
      {"multiply", 1e-7,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent();
         auto a = t.input(n, width), b = t.input(n, width);
         auto y = t.poisoned(n, width);
         t.call([&] { t.exec.multiply(y, a, b); });
       }},
      {"multiply_backward", 2e-7,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent();
         auto dy = t.input(n, width), a = t.input(n, width), b = t.input(n, width);
         auto da = t.maybe_sink(n, width), db = t.maybe_sink(n, width);
         auto both = t.poisoned(n, width);
         t.call([&] {
           t.exec.multiply_backward(da, db, dy, a, b);
           t.exec.multiply_backward({both, false}, {both, true}, dy, a, a);
         });
       }},
      {"dropout", 3e-7,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent(), first = t.pick({0, 1, 4, 6});
         const random_key key{static_cast<std::uint64_t>(t.below(1000)), 3, stream::dropout};
         const double rate = t.coin() ? 0.1 : 0.6;
         auto x = t.input(n, width);
         auto y = t.sink(n, width);
         t.call([&] { t.exec.dropout(y, x, key, rate, first); });
       }},
      {"concatenate", 0,
       [](run& t) {
         const index_t n = t.extent();
         auto a = t.input(n, t.extent()), b = t.input(n, t.extent());
         auto y = t.poisoned(n, a.cols() + b.cols());
         t.call([&] { t.exec.concatenate(y, a, b); });
       }},
      {"concatenate_backward", 1e-7,
       [](run& t) {
         const index_t n = t.extent(), of_a = t.extent(), of_b = t.extent();
         auto dy = t.input(n, of_a + of_b), twice = t.input(n, 2 * of_a);
         auto da = t.maybe_sink(n, of_a), db = t.maybe_sink(n, of_b);
         auto both = t.poisoned(n, of_a);
         t.call([&] {
           t.exec.concatenate_backward(da, db, dy);
           t.exec.concatenate_backward({both, false}, {both, true}, twice);
         });
       }},
      {"gaussian_sample", 2e-6,
       [](run& t) {
         const index_t rows = 3 * t.extent(), channels = t.pick({1, 3, 4, 16, 17});
         auto moments = random_moments(t, rows, channels);
         auto noise = t.coin() ? t.input(rows, channels) : view<const T, 2>{};
         const auto ranges = random_ranges(t, rows);
         auto z = t.poisoned(rows, channels), kl = t.poisoned(1, ranges.size());
         t.call([&] { t.exec.gaussian_sample(z, kl.flat(), moments, noise, ranges); });
       }},
      {"gaussian_sample_backward", 2e-6,
       [](run& t) {
         const index_t rows = 3 * t.extent(), channels = t.pick({1, 3, 4, 16, 17});
         auto moments = random_moments(t, rows, channels);
         auto dz = t.below(4) ? t.input(rows, channels) : view<const T, 2>{};
         auto noise = t.coin() ? t.input(rows, channels) : view<const T, 2>{};
         const auto ranges = random_ranges(t, rows);
         auto weights = t.below(4) ? t.positive(ranges.size()) : view<const T, 1>{};
         auto dmoments = t.sink(rows, 2 * channels);
         t.call([&] { t.exec.gaussian_sample_backward(dmoments, dz, moments, noise, ranges, weights); });
       }},
      {"nearest_rows", 2e-6,
       [](run& t) {
         const index_t rows = t.pick({1, 2, 17, 100, 300}), entries = t.pick({1, 7, 64, 200}),
                       width = t.pick({1, 2, 7, 33});
         auto x = t.input(rows, width), table = t.input(entries, width);
         auto found = t.indices(rows);
         t.call([&] { t.exec.nearest_rows(found, x, table); });
         // Two rows may be equally near but for rounding: compared is how far the one found is.
         auto distances = t.poisoned(1, rows);
         for (index_t n = 0; n < rows; ++n) {
           double sum = 0;
           for (index_t d = 0; d < width; ++d)
             sum += std::pow(static_cast<double>(x(n, d)) - static_cast<double>(table(found[n], d)), 2);
           distances(0, n) = static_cast<T>(sum);
         }
       }},
      {"match_deviation", 4e-6,
       [](run& t) {
         index_t values, patches;
         auto places = random_images(t, values, patches, t.pick({1, 3}), {1, 1});
         auto x = t.filled(1, values).flat();
         auto reference = t.input(values);
         t.call([&] { t.exec.match_deviation(x, reference, places, 0.7); });
       }},
      {"dynamic_threshold", 1e-6,
       [](run& t) {
         index_t values, patches;
         auto places = random_images(t, values, patches, t.pick({1, 3}), {1, 1});
         auto x = t.filled(1, values).flat();
         const double quantile = t.coin() ? 0.9 : t.coin() ? 1.0 : 0.0, floor = t.coin() ? 1.0 : 0.25;
         t.call([&] { t.exec.dynamic_threshold(x, places, quantile, floor); });
       }},
      {"scaled_error", 2e-6,
       [](run& t) {
         index_t values, patches;
         auto places = random_images(t, values, patches, t.pick({1, 3}), {1, 1});
         auto error = t.input(values), a = t.input(values), b = t.input(values);
         auto out = t.poisoned(1, places.size()).flat();
         t.call([&] { t.exec.scaled_error(out, error, a, b, places, 0.01, 0.1); });
       }},
  };
}

}  // namespace operation_cases
