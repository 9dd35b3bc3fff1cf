// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/lanes.hpp"

namespace transfusion {
namespace detail {

/// Some rows of one image: what one task of group_norm works on.
struct image_piece {
  index_t image, begin, end;
};

/// The images' rows cut into pieces; the cut is a function of the shapes only.
class image_pieces {
 public:
  image_pieces(cpu_team& team, view<const key_interval, 1> ranges, index_t channels)
      : rows_(std::max<index_t>(1, cpu_team::piece_elements / std::max<index_t>(1, channels))) {
    for (index_t i = 0; i < ranges.size(); ++i) count_ += pieces_of(ranges[i]);
    pieces_ = team.reserve<image_piece>(scratch::rows, count_);
    for (index_t i = 0, p = 0; i < ranges.size(); ++i)
      for (index_t row = ranges[i].begin; row < ranges[i].end; row += rows_)
        pieces_[p++] = {i, row, std::min<index_t>(ranges[i].end, row + rows_)};
  }

  index_t count() const { return count_; }
  const image_piece& operator[](index_t p) const { return pieces_[p]; }

  /// Calls f(first piece, last piece) for the pieces of each image in turn.
  template <class F>
  void each_image(index_t images, const F& f) const {
    for (index_t i = 0, p = 0; i < images; ++i) {
      const index_t first = p;
      while (p < count_ && pieces_[p].image == i) ++p;
      f(i, first, p);
    }
  }

 private:
  index_t pieces_of(key_interval k) const { return k.end > k.begin ? (k.end - k.begin + rows_ - 1) / rows_ : 0; }

  index_t rows_, count_ = 0;
  image_piece* pieces_ = nullptr;
};

/// Writes entry `which` of each group's pair to all channels of the group.
template <class Scalar>
void spread(index_t groups, index_t width, const Scalar* pairs, index_t which, Scalar* to) {
  for (index_t g = 0; g < groups; ++g) std::fill_n(to + g * width, width, pairs[2 * g + which]);
}

/// Mean of one piece, and the sum of squared differences from it, group by group. `sums` and `means` are room for a
/// row.
template <class Scalar>
void piece_statistics(view<const Scalar, 2> x, const image_piece& piece, index_t groups, Scalar* sums, Scalar* means,
                      Scalar* pairs) {
  const index_t channels = x.cols(), width = channels / groups;
  const Scalar count = static_cast<Scalar>((piece.end - piece.begin) * width);
  const auto same = [](auto v) { return v; };
  std::fill_n(sums, channels, Scalar{0});
  for (index_t n = piece.begin; n < piece.end; ++n) emit(true, channels, sums, same, x.row(n));
  for (index_t g = 0; g < groups; ++g) pairs[2 * g] = sum<Scalar>(width, same, sums + g * width) / count;
  spread(groups, width, pairs, 0, means);
  std::fill_n(sums, channels, Scalar{0});
  for (index_t n = piece.begin; n < piece.end; ++n)
    emit(
        true, channels, sums, [](auto v, auto mean) { return (v - mean) * (v - mean); }, x.row(n), means);
  for (index_t g = 0; g < groups; ++g) pairs[2 * g + 1] = sum<Scalar>(width, same, sums + g * width);
}

/// Mean and 1/deviation of one group of an image from its pieces (Chan, Golub & LeVeque 1983, eq. 2.1).
template <class Scalar>
void join_statistics(const image_pieces& pieces, index_t first, index_t last, index_t g, index_t groups, index_t width,
                     const Scalar* of_pieces, double epsilon, Scalar* mean_and_inverse) {
  double count = 0, mean = 0, squares = 0;
  for (index_t p = first; p < last; ++p) {
    const Scalar* pair = of_pieces + (p * groups + g) * 2;
    const double more = static_cast<double>((pieces[p].end - pieces[p].begin) * width);
    const double step = static_cast<double>(pair[0]) - mean;
    squares += static_cast<double>(pair[1]) + step * step * count * more / (count + more);
    mean += step * more / (count + more);
    count += more;
  }
  mean_and_inverse[0] = static_cast<Scalar>(mean);
  mean_and_inverse[1] = static_cast<Scalar>(1 / std::sqrt(squares / count + epsilon));
}

/// Channel by channel over one piece: the sum of dy, and that of dy times normed x.
template <class Scalar>
void piece_gradients(view<const Scalar, 2> dy, view<const Scalar, 2> x, const image_piece& piece, const Scalar* means,
                     const Scalar* inverses, Scalar* sums, Scalar* along) {
  const index_t channels = x.cols();
  std::fill_n(sums, channels, Scalar{0});
  std::fill_n(along, channels, Scalar{0});
  for (index_t n = piece.begin; n < piece.end; ++n) {
    emit(
        true, channels, sums, [](auto d) { return d; }, dy.row(n));
    emit(
        true, channels, along, [](auto d, auto v, auto mean, auto inverse) { return d * ((v - mean) * inverse); },
        dy.row(n), x.row(n), means, inverses);
  }
}

}  // namespace detail

template <class Scalar>
void cpu_exec<Scalar>::group_norm(matrix y, matrix stats, const_matrix x, const_vector w, const_vector b,
                                  view<const key_interval, 1> ranges, index_t groups, double epsilon) {
  const index_t channels = x.cols(), width = channels / groups;
  const detail::image_pieces pieces(team_, ranges, channels);
  Scalar* of_pieces = team_.reserve<Scalar>(detail::scratch::partial, pieces.count() * groups * 2);
  Scalar* rows = team_.reserve<Scalar>(detail::scratch::table, team_.threads() * 2 * channels);
  team_.run(pieces.count(), [&](index_t p, int thread) {
    Scalar *sums = rows + thread * 2 * channels, *means = sums + channels;
    detail::piece_statistics<Scalar>(x, pieces[p], groups, sums, means, of_pieces + p * groups * 2);
  });
  pieces.each_image(ranges.size(), [&](index_t i, index_t first, index_t last) {
    for (index_t g = 0; g < groups; ++g)
      detail::join_statistics(pieces, first, last, g, groups, width, of_pieces, epsilon, stats.row(i * groups + g));
  });
  team_.run(pieces.count(), [&](index_t p, int thread) {
    const detail::image_piece piece = pieces[p];
    Scalar *means = rows + thread * 2 * channels, *inverses = means + channels;
    detail::spread(groups, width, stats.row(piece.image * groups), 0, means);
    detail::spread(groups, width, stats.row(piece.image * groups), 1, inverses);
    for (index_t n = piece.begin; n < piece.end; ++n)
      detail::transform(
          channels, y.row(n),
          [](auto v, auto mean, auto inverse, auto gain, auto shift) { return (v - mean) * inverse * gain + shift; },
          x.row(n), means, inverses, w.data, b.data);
  });
}

// With x^ the normed x: dx = (dy w - mean(dy w) - x^ mean(dy w x^)) / deviation, the means over the group.
template <class Scalar>
void cpu_exec<Scalar>::group_norm_backward(sink dx, vector dw, vector db, const_matrix dy, const_matrix x,
                                           const_vector w, const_matrix stats, view<const key_interval, 1> ranges,
                                           index_t groups) {
  const index_t channels = x.cols(), width = channels / groups;
  const detail::image_pieces pieces(team_, ranges, channels);
  Scalar* of_pieces = team_.reserve<Scalar>(detail::scratch::partial, pieces.count() * 2 * channels);
  Scalar* of_groups = team_.reserve<Scalar>(detail::scratch::values, ranges.size() * groups * 2);
  Scalar* rows = team_.reserve<Scalar>(detail::scratch::table, team_.threads() * 4 * channels);
  team_.run(pieces.count(), [&](index_t p, int thread) {
    Scalar *means = rows + thread * 4 * channels, *inverses = means + channels, *sums = of_pieces + p * 2 * channels;
    detail::spread(groups, width, stats.row(pieces[p].image * groups), 0, means);
    detail::spread(groups, width, stats.row(pieces[p].image * groups), 1, inverses);
    detail::piece_gradients<Scalar>(dy, x, pieces[p], means, inverses, sums, sums + channels);
  });
  const auto same = [](auto v) { return v; };
  for (index_t p = 0; p < pieces.count(); ++p) {
    if (db) detail::emit(true, channels, db.data, same, of_pieces + p * 2 * channels);
    if (dw) detail::emit(true, channels, dw.data, same, of_pieces + (p * 2 + 1) * channels);
  }
  if (!dx) return;
  pieces.each_image(ranges.size(), [&](index_t i, index_t first, index_t last) {
    const Scalar count = static_cast<Scalar>((ranges[i].end - ranges[i].begin) * width);
    for (index_t c = 0; c < groups * 2; ++c) {
      Scalar total = 0;
      for (index_t p = first; p < last; ++p)
        total += detail::sum<Scalar>(
            width, [](auto v, auto gain) { return v * gain; }, of_pieces + (p * 2 + c % 2) * channels + c / 2 * width,
            w.data + c / 2 * width);
      of_groups[i * groups * 2 + c] = total / count;
    }
  });
  team_.run(pieces.count(), [&](index_t p, int thread) {
    const detail::image_piece piece = pieces[p];
    Scalar *means = rows + thread * 4 * channels, *inverses = means + channels, *level = inverses + channels,
           *slope = level + channels;
    detail::spread(groups, width, stats.row(piece.image * groups), 0, means);
    detail::spread(groups, width, stats.row(piece.image * groups), 1, inverses);
    detail::spread(groups, width, of_groups + piece.image * groups * 2, 0, level);
    detail::spread(groups, width, of_groups + piece.image * groups * 2, 1, slope);
    for (index_t n = piece.begin; n < piece.end; ++n)
      detail::emit(
          dx.add, channels, dx.into.row(n),
          [](auto d, auto v, auto gain, auto mean, auto inverse, auto low, auto pull) {
            return (d * gain - low - (v - mean) * inverse * pull) * inverse;
          },
          dy.row(n), x.row(n), w.data, means, inverses, level, slope);
  });
}

}  // namespace transfusion
