// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <utility>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/tile_window.hpp"

namespace transfusion {
namespace detail {

/// The operands of attention's backward for one head and one part, and the memory of the thread that works on it.
template <class T>
struct attention_gradient {
  static constexpr index_t across = attention_plan::tile_keys, down = attention_plan::block_rows;

  const attention_plan& plan;
  index_t width, stride;
  // Of the part's rows, closed up: scaled queries, gradients of the output, of the queries [rows, stride]; lse; delta.
  T *queries, *outs, *query_gradients, *log_sums, *deltas;
  // Of one tile: keys and values transposed [C, across]; keys, gradients of keys and of values [across, stride].
  T *keys_across, *values_across, *keys, *key_gradients, *value_gradients;
  // Of one block and tile: probabilities and gradients of the scores [down, across].
  T *weights, *score_gradients;

  static index_t elements(index_t rows, index_t width) {
    const index_t stride = padded<T>(width);
    return rows * (3 * stride + 2) + 2 * width * across + 3 * across * stride + 2 * down * across + 64;
  }
  attention_gradient(const attention_plan& p, index_t rows, index_t head_width, T* space)
      : plan(p), width(head_width), stride(padded<T>(head_width)) {
    const auto next = [&](index_t count) { return std::exchange(space, space + count); };
    queries = next(rows * stride);
    outs = next(rows * stride);
    query_gradients = next(rows * stride);
    weights = next(down * across);
    score_gradients = next(down * across);
    keys_across = next(width * across);
    values_across = next(width * across);
    keys = next(across * stride);
    key_gradients = next(across * stride);
    value_gradients = next(across * stride);
    log_sums = next(rows);
    deltas = next(rows);
  }

  /// Adds what `block` (its first row stands at `at` in the part) and the current tile owe each other.
  void add(const attention_plan::block& block, index_t at, const attention_plan::tile& tile) {
    index_t first = down, last = 0;  // rows that see anything of the tile
    index_t from[down / tile_rows], to[down / tile_rows];
    for (index_t r = 0; r < block.rows(); r += tile_rows) {
      const index_t count = std::min(tile_rows, block.rows() - r);
      const tile_window w(plan, tile, block.begin + r, count);
      from[r / tile_rows] = w.begin;
      to[r / tile_rows] = w.end;
      if (w.empty()) {
        // It may stand between groups that see: then it counts as nothing.
        std::fill_n(weights + r * across, count * across, T{0});
        std::fill_n(score_gradients + r * across, count * across, T{0});
        continue;
      }
      first = std::min(first, r);
      last = std::max(last, r + count);
      recompute(r, at + r, count, w);
      tile_product<false>(count, stride, w.end - w.begin, score_gradients + r * across + w.begin, across,
                          keys + w.begin * stride, stride, query_gradients + (at + r) * stride, stride, true);
    }
    // Six keys at a time, over the rows that see any of them.
    for (index_t j = 0; j < tile.size() && first < last; j += tile_rows) {
      const index_t count = std::min(tile_rows, tile.size() - j);
      index_t begin = first, end = last;
      const auto sees = [&](index_t r) { return from[r / tile_rows] < j + count && to[r / tile_rows] > j; };
      while (begin < end && !sees(begin)) begin += tile_rows;
      while (begin < end && !sees(end - 1)) end = (end - 1) / tile_rows * tile_rows;
      if (begin >= end) continue;
      tile_product<true>(count, stride, end - begin, weights + begin * across + j, across, outs + (at + begin) * stride,
                         stride, value_gradients + j * stride, stride, true);
      tile_product<true>(count, stride, end - begin, score_gradients + begin * across + j, across,
                         queries + (at + begin) * stride, stride, key_gradients + j * stride, stride, true);
    }
  }

 private:
  /// Probabilities and score gradients of rows r.. of the block; zero wherever they do not see.
  void recompute(index_t r, index_t at, index_t count, const tile_window& w) {
    const index_t begin = w.begin / lane_count<T> * lane_count<T>, end = padded<T>(w.end);
    T *p = weights + r * across, *ds = score_gradients + r * across;
    tile_product<false>(count, end - begin, width, queries + at * stride, stride, keys_across + begin, across,
                        p + begin, across, false);
    tile_product<false>(count, end - begin, width, outs + at * stride, stride, values_across + begin, across,
                        ds + begin, across, false);
    const bool partial = !w.full || begin != w.begin || end != w.end;
    for (index_t i = 0; i < count; ++i, p += across, ds += across) {
      const auto log_sum = all(log_sums[at + i]), delta = all(deltas[at + i]);
      for (index_t j = begin; j < end; j += lane_count<T>) {
        const auto weight = exponential<T>(load(p + j) - log_sum);
        store<T>(p + j, weight);
        store<T>(ds + j, weight * (load(ds + j) - delta));
      }
      if (partial) {
        w.mask(i, p, begin, end, T{0});
        w.mask(i, ds, begin, end, T{0});
      }
      // Other rows of the block may see the rest of the tile.
      for (T* row : {p, ds}) {
        std::fill(row, row + begin, T{0});
        std::fill(row + end, row + across, T{0});
      }
    }
  }
};

}  // namespace detail

template <class Scalar>
void cpu_exec<Scalar>::attention_backward(sink dq, sink dk, sink dv, const_matrix d_o, const_matrix o, const_matrix lse,
                                          const_matrix q, const_matrix k, const_matrix v, key_intervals keys,
                                          attention_shape shape) {
  using gradient = detail::attention_gradient<Scalar>;
  const index_t width = shape.head_width, stride = detail::padded<Scalar>(width), groups = shape.kv_heads;
  const index_t share = shape.heads / groups;
  const Scalar scale = static_cast<Scalar>(shape.scale);
  for (const sink& s : {dq, dk, dv})
    if (s && !s.add) fill(s.into.flat(), 0);

  const detail::attention_plan plan(team_, keys, k.rows());
  const index_t each = detail::padded<Scalar>(gradient::elements(plan.most_part_rows, width));
  Scalar* space = team_.template reserve<Scalar>(detail::scratch::tiles, team_.threads() * each);

  const auto gather = [&](gradient& g, const auto& part, index_t h) {
    index_t at = 0;
    for (index_t b = 0; b < part.blocks; ++b) {
      const auto& block = plan.blocks[plan.block_order[part.first_block + b]];
      const index_t first = block.begin, rows = block.rows();
      detail::pack_rows(rows, width, q.row(first) + h * width, q.cols(), g.queries + at * stride, scale);
      detail::pack_rows(rows, width, d_o.row(first) + h * width, d_o.cols(), g.outs + at * stride, Scalar{1});
      for (index_t r = 0; r < rows; ++r) {
        g.log_sums[at + r] = lse(first + r, h);
        g.deltas[at + r] = detail::sum<Scalar>(
            width, [](auto a, auto b2) { return a * b2; }, d_o.row(first + r) + h * width,
            o.row(first + r) + h * width);
      }
      at += rows;
    }
    std::fill_n(g.query_gradients, at * stride, Scalar{0});
  };
  const auto add_tile = [&](const sink& s, const auto& tile, index_t column, const Scalar* from) {
    for (index_t j = 0; s && j < tile.size(); ++j)
      detail::emit(
          true, width, s.into.row(tile.begin + j) + column, [](auto x) { return x; }, from + j * stride);
  };
  const auto one_head = [&](gradient& g, const auto& part, index_t h) {
    const index_t column = h / share * width;
    gather(g, part, h);
    for (index_t i = 0; i < part.tiles; ++i) {
      const index_t t = plan.tile_order[part.first_tile + i];
      const auto& tile = plan.tiles[t];
      constexpr index_t across = gradient::across;
      detail::transpose(tile.size(), width, k.row(tile.begin) + column, k.cols(), g.keys_across, across);
      detail::transpose(tile.size(), width, v.row(tile.begin) + column, v.cols(), g.values_across, across);
      detail::pack_rows(tile.size(), width, k.row(tile.begin) + column, k.cols(), g.keys, Scalar{1});
      std::fill_n(g.key_gradients, across * stride, Scalar{0});
      std::fill_n(g.value_gradients, across * stride, Scalar{0});
      index_t at = 0;
      for (index_t b = 0; b < part.blocks; ++b) {
        const auto& block = plan.blocks[plan.block_order[part.first_block + b]];
        for (const auto& range : block.tiles)
          if (range[0] <= t && t < range[1]) g.add(block, at, tile);
        at += block.rows();
      }
      add_tile(dk, tile, column, g.key_gradients);
      add_tile(dv, tile, column, g.value_gradients);
    }
    index_t at = 0;
    const auto scales = detail::all(scale);
    for (index_t b = 0; dq && b < part.blocks; ++b) {
      const auto& block = plan.blocks[plan.block_order[part.first_block + b]];
      for (index_t n = block.begin; n < block.end; ++n, ++at)
        detail::emit(
            dq.add, width, dq.into.row(n) + h * width, [&](auto x) { return x * scales; },
            g.query_gradients + at * stride);
    }
  };
  team_.run(plan.part_count * groups, [&](index_t task, int thread) {
    const auto& part = plan.parts[task / groups];
    gradient g(plan, plan.most_part_rows, width, space + thread * each);
    for (index_t h = task % groups * share; h < (task % groups + 1) * share; ++h) one_head(g, part, h);
  });
}

}  // namespace transfusion
