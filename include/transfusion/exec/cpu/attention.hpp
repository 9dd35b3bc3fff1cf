// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/tile_window.hpp"

namespace transfusion {
namespace detail {

/// The online softmax of six query rows of one head: running largest score, sum and weighted values.
template <class T>
struct attention_rows {
  index_t width, stride;  ///< C, and C up to a whole register
  T* out;                 ///< [6, stride]
  T* scores;              ///< [6, tile_keys]
  T top[tile_rows], sum[tile_rows];

  void start() {
    std::fill_n(out, tile_rows * stride, T{0});
    std::fill_n(top, tile_rows, -std::numeric_limits<T>::infinity());
    std::fill_n(sum, tile_rows, T{0});
  }

  /// Takes in one tile: keys [C, tile_keys] transposed, values [tile_keys, stride], queries [count, stride] scaled.
  void take(index_t count, const T* queries, const T* keys, const T* values, const tile_window& w) {
    constexpr index_t across = attention_plan::tile_keys, lane = lane_count<T>;
    if (w.empty()) return;
    const index_t from = w.begin / lane * lane, to = padded<T>(w.end);
    tile_product<false>(count, to - from, width, queries, stride, keys + from, across, scores + from, across, false);
    for (index_t r = 0; r < count; ++r) weigh(r, from, to, w);
    tile_product<false>(count, stride, w.end - w.begin, scores + w.begin, across, values + w.begin * stride, stride,
                        out, stride, true);
  }

  /// Scores of row r become exp(score - largest so far); what was summed before is brought to the same scale.
  void weigh(index_t r, index_t from, index_t to, const tile_window& w) {
    T* s = scores + r * attention_plan::tile_keys;
    const bool partial = !w.full || from != w.begin || to != w.end;
    if (partial) w.mask(r, s, from, to, -std::numeric_limits<T>::infinity());
    const T high = std::max(top[r], largest(to - from, s + from));
    if (high == -std::numeric_limits<T>::infinity()) return std::fill(s + from, s + to, T{0});
    if (high > top[r]) {
      const T shrink = std::exp(top[r] - high);
      const auto by = all(shrink);
      sum[r] *= shrink;
      transform(
          stride, out + r * stride, [&](auto v) { return v * by; }, static_cast<const T*>(out + r * stride));
      top[r] = high;
    }
    const auto highs = all(high);
    auto total = all(T{0});
    for (index_t j = from; j < to; j += lane_count<T>) {
      const auto e = exponential<T>(load(s + j) - highs);
      store(s + j, e);
      total = total + e;
    }
    // The vectorised exp leaves a tiny number where a score is -inf.
    if (partial) w.mask(r, s, from, to, T{0});
    sum[r] += Eigen::internal::predux<lanes<T>>(total);
  }

  void finish(index_t r, T* o, T& log_sum) const {
    log_sum = sum[r] > 0 ? top[r] + std::log(sum[r]) : -std::numeric_limits<T>::infinity();
    const auto by = all(sum[r] > 0 ? 1 / sum[r] : T{0});
    transform(
        width, o, [&](auto v) { return v * by; }, static_cast<const T*>(out + r * stride));
  }
};

}  // namespace detail

template <class Scalar>
void cpu_exec<Scalar>::attention(matrix o, matrix lse, const_matrix q, const_matrix k, const_matrix v,
                                 key_intervals keys, attention_shape shape) {
  using plan_type = detail::attention_plan;
  using detail::scratch;
  const index_t width = shape.head_width, stride = detail::padded<Scalar>(width), groups = shape.kv_heads;
  const index_t share = shape.heads / groups;
  const plan_type plan(team_, keys, k.rows());

  // Every tile of every key head once: keys transposed, values beside them.
  const index_t key_panel = width * plan_type::tile_keys, panel = key_panel + stride * plan_type::tile_keys;
  Scalar* panels = team_.template reserve<Scalar>(scratch::panels, plan.tile_count * groups * panel);
  team_.run_pieces(plan.tile_count * groups, plan_type::tile_keys * width, [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i) {
      const auto& tile = plan.tiles[i / groups];
      const index_t column = i % groups * width;
      Scalar* to = panels + i * panel;
      detail::transpose(tile.size(), width, k.row(tile.begin) + column, k.cols(), to, plan_type::tile_keys);
      detail::pack_rows(tile.size(), width, v.row(tile.begin) + column, v.cols(), to + key_panel, Scalar{1});
    }
  });

  const index_t query_size = plan_type::block_rows * stride, out_size = plan_type::block_rows * stride;
  const index_t score_size = detail::tile_rows * plan_type::tile_keys, each = query_size + out_size + score_size;
  Scalar* space = team_.template reserve<Scalar>(scratch::tiles, team_.threads() * each);
  // The last blocks see the most keys under a causal mask: they go first.
  team_.run(plan.block_count * shape.heads, [&](index_t task, int thread) {
    const auto& block = plan.blocks[plan.block_count - 1 - task / shape.heads];
    const index_t h = task % shape.heads;
    Scalar *queries = space + thread * each, *outs = queries + query_size, *scores = outs + out_size;
    detail::pack_rows(block.rows(), width, q.row(block.begin) + h * width, q.cols(), queries,
                      static_cast<Scalar>(shape.scale));
    constexpr index_t step = detail::tile_rows;
    detail::attention_rows<Scalar> rows[plan_type::block_rows / step];
    for (index_t r = 0; r < block.rows(); r += step) {
      rows[r / step] = {width, stride, outs + r * stride, scores, {}, {}};
      rows[r / step].start();
    }
    for (const auto& range : block.tiles)
      for (index_t t = range[0]; t < range[1]; ++t) {
        const Scalar* keys_of = panels + (t * groups + h / share) * panel;
        for (index_t r = 0; r < block.rows(); r += step) {
          const index_t count = std::min(step, block.rows() - r);
          const detail::tile_window window(plan, plan.tiles[t], block.begin + r, count);
          rows[r / step].take(count, queries + r * stride, keys_of, keys_of + key_panel, window);
        }
      }
    for (index_t r = 0; r < block.rows(); ++r)
      rows[r / step].finish(r % step, o.row(block.begin + r) + h * width, lse(block.begin + r, h));
  });
}

}  // namespace transfusion
