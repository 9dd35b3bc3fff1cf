// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/lanes.hpp"
#include "transfusion/exec/cpu/logit_rows.hpp"
#include "transfusion/exec/cpu/product.hpp"

namespace transfusion {
namespace detail {

/// Turns one row of logits into exp(logit - largest); returns their sum and the largest.
template <class Scalar>
Scalar exponentials(Scalar* logits, index_t vocabulary, Scalar& top) {
  top = largest(vocabulary, logits);
  const auto tops = all(top);
  transform(
      vocabulary, logits, [&](auto v) { return exponential<Scalar>(v - tops); }, static_cast<const Scalar*>(logits));
  return sum<Scalar>(
      vocabulary, [](auto v) { return v; }, logits);
}

}  // namespace detail

template <class Scalar>
void cpu_exec<Scalar>::cross_entropy(vector loss, vector log_z, matrix dx, matrix dw, const_matrix x, const_matrix w,
                                     tokens targets, const_vector weights, double z_weight, double smoothing) {
  using detail::scratch;
  const index_t width = x.cols(), vocabulary = w.rows();
  // What the smoothed target asks of every token, and of the one that is meant.
  const double even = smoothing / static_cast<double>(vocabulary);
  const Scalar share = static_cast<Scalar>(even),
               aim = static_cast<Scalar>(1 - even * static_cast<double>(vocabulary - 1));
  // Only the rows that carry a loss take part from here on, closed up.
  index_t* kept = team_.reserve<index_t>(scratch::rows, x.rows());
  index_t count = 0;
  for (index_t n = 0; n < x.rows(); ++n) {
    loss[n] = log_z[n] = 0;
    if (targets[n] >= 0) kept[count++] = n;
  }
  if (dx) fill(dx.flat(), 0);
  const index_t most = detail::logit_rows<Scalar>(vocabulary, width), chunk = std::min(count, most);
  Scalar* packing = team_.reserve<Scalar>(scratch::packing, team_.threads() * detail::packing_elements);
  Scalar* logits = team_.reserve<Scalar>(scratch::logits, chunk * vocabulary);
  Scalar* inputs = team_.reserve<Scalar>(scratch::values, chunk * width);
  Scalar* input_gradients = team_.reserve<Scalar>(scratch::partial, chunk * width);

  for (index_t first = 0; first < count; first += most) {
    const index_t rows = std::min(most, count - first);
    const index_t* mine = kept + first;
    for (index_t r = 0; r < rows; ++r) std::copy_n(x.row(mine[r]), width, inputs + r * width);

    const detail::tiling logit_tiles{rows, vocabulary, 256, 512};
    team_.run(logit_tiles.count(), [&](index_t i, int thread) {
      const auto t = logit_tiles[i];
      detail::product<Scalar>(t.rows(), t.cols(), width, {inputs + t.row * width, width}, {w.row(t.col), width, true},
                              false, logits + t.row * vocabulary + t.col, vocabulary,
                              packing + thread * detail::packing_elements);
    });

    // Logits become losses and, where wanted, gradients of the logits.
    team_.run_pieces(rows, 4 * vocabulary, [&](index_t begin, index_t end) {
      for (index_t r = begin; r < end; ++r) {
        const index_t n = mine[r];
        Scalar* row = logits + r * vocabulary;
        const Scalar hit = row[targets[n]];
        Scalar mean = 0;
        if (smoothing > 0)
          mean = detail::sum<Scalar>(
                     vocabulary, [](auto v) { return v; }, static_cast<const Scalar*>(row)) /
                 static_cast<Scalar>(vocabulary);
        Scalar top;
        const Scalar total = detail::exponentials(row, vocabulary, top);
        log_z[n] = top + std::log(total);
        loss[n] = log_z[n] - hit;
        if (smoothing > 0) loss[n] += static_cast<Scalar>(smoothing) * (hit - mean);
        if (!dx) continue;
        const auto by = detail::all(weights[n] * (1 + 2 * static_cast<Scalar>(z_weight) * log_z[n]) / total);
        detail::transform(
            vocabulary, row, [&](auto v) { return v * by; }, static_cast<const Scalar*>(row));
        const Scalar expected = row[targets[n]];
        const auto spread = detail::all(weights[n] * share);
        if (smoothing > 0)
          detail::transform(
              vocabulary, row, [&](auto v) { return v - spread; }, static_cast<const Scalar*>(row));
        row[targets[n]] = expected - weights[n] * aim;
      }
    });
    if (!dx) continue;

    const detail::tiling input_tiles{rows, width, 256, 256};
    const detail::tiling weight_tiles{dw ? vocabulary : 0, width, 256, 512};
    team_.run(input_tiles.count() + weight_tiles.count(), [&](index_t i, int thread) {
      Scalar* pack = packing + thread * detail::packing_elements;
      if (i < input_tiles.count()) {
        const auto t = input_tiles[i];
        detail::product<Scalar>(t.rows(), t.cols(), vocabulary, {logits + t.row * vocabulary, vocabulary},
                                {w.data + t.col, width}, false, input_gradients + t.row * width + t.col, width, pack);
        for (index_t r = t.row; r < t.row_end; ++r)
          std::copy_n(input_gradients + r * width + t.col, t.cols(), dx.row(mine[r]) + t.col);
      } else {
        const auto t = weight_tiles[i - input_tiles.count()];
        detail::product<Scalar>(t.rows(), t.cols(), rows, {logits + t.row, vocabulary, true}, {inputs + t.col, width},
                                true, dw.row(t.row) + t.col, width, pack);
      }
    });
  }
}

}  // namespace transfusion
