// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exec/codec_operation_cases.hpp"
#include "exec/operation_case.hpp"

// One body for every policy: each case draws a shape and operands from a seed, calls one operation, and keeps what it
// wrote.
namespace operation_cases {

/// The operations of a plain model.
template <class Exec>
std::vector<operation_case<Exec>> trunk_cases() {
  using run = trial<Exec>;
  using T = typename Exec::scalar;
  return {
      {"fill", 0,
       [](run& t) {
         auto x = t.poisoned(1, 400 * t.extent());
         t.call([&] { t.exec.fill(x.flat(), 0.75); });
       }},
      {"copy", 0,
       [](run& t) {
         const index_t n = 400 * t.extent();
         auto x = t.input(n);
         auto y = t.poisoned(1, n);
         t.call([&] { t.exec.copy(y.flat(), x); });
       }},
      {"normal", 1e-7,
       [](run& t) {
         auto x = t.poisoned(1, 31 * t.extent());
         const random_key key{static_cast<std::uint64_t>(t.below(1000)), 3, stream::noise};
         const index_t first = t.pick({0, 1, 4, 6});
         t.call([&] { t.exec.normal(x.flat(), key, 1.5, first); });
       }},
      {"linear", 2e-6,
       [](run& t) {
         const index_t n = t.pick({1, 2, 5, 8, 13, 16, 17, 64, 255, 300}), in = t.extent(),
                       out = t.pick({1, 15, 130, 257, 600});
         auto x = t.input(n, in), w = t.input(out, in);
         auto b = t.coin() ? t.input(out) : view<const T, 1>{};
         auto y = t.poisoned(n, out);
         t.call([&] { t.exec.linear(y, x, w, b); });
       }},
      {"linear_backward", 3e-6,
       [](run& t) {
         const index_t n = t.pick({1, 2, 16, 64, 255, 300}), in = t.extent(), out = t.pick({1, 15, 130, 257, 600});
         auto dy = t.input(n, out), x = t.input(n, in), w = t.input(out, in);
         auto dx = t.maybe_sink(n, in);
         auto dw = t.below(5) ? t.filled(out, in) : view<T, 2>{};
         auto db = t.coin() ? t.filled(1, out).flat() : view<T, 1>{};
         t.call([&] { t.exec.linear_backward(dx, dw, db, dy, x, w); });
       }},
      {"embedding", 0,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent();
         auto table = t.input(37, width);
         auto ids = t.tokens(n, 37, 6);
         auto y = t.poisoned(n, width);
         t.call([&] { t.exec.embedding(y, table, ids); });
       }},
      {"embedding_backward", 2e-6,
       [](run& t) {
         const index_t n = 3 * t.extent(), width = t.extent();
         auto dy = t.input(n, width);
         auto ids = t.tokens(n, 37, 6);
         auto dtable = t.filled(37, width);
         t.call([&] { t.exec.embedding_backward(dtable, dy, ids); });
       }},
      {"rms_norm", 2e-6,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent();
         auto x = t.input(n, width);
         auto w = t.input(width);
         auto y = t.poisoned(n, width), inverse = t.poisoned(1, n);
         t.call([&] { t.exec.rms_norm(y, inverse.flat(), x, w, 1e-5); });
       }},
      {"add_rms_norm", 2e-6,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent();
         auto a = t.input(n, width), b = t.input(n, width);
         auto w = t.input(width);
         auto sum = t.poisoned(n, width), y = t.poisoned(n, width), inverse = t.poisoned(1, n);
         t.call([&] { t.exec.add_rms_norm(sum, y, inverse.flat(), a, b, w, 1e-5); });
       }},
      {"rms_norm_backward", 4e-6,
       [](run& t) {
         const index_t n = 4 * t.extent(), width = t.extent();
         auto dy = t.input(n, width), x = t.input(n, width);
         auto w = t.input(width), inverse = t.positive(n);
         auto dx = t.maybe_sink(n, width);
         auto dw = t.below(5) ? t.filled(1, width).flat() : view<T, 1>{};
         t.call([&] { t.exec.rms_norm_backward(dx, dw, dy, x, w, inverse); });
       }},
      {"rope_table", 1e-7,
       [](run& t) {
         const index_t n = t.extent(), width = 2 * t.extent();
         const index_t axes = t.pick({1, 2, 3});
         const view<const token_t, 2> positions(t.tokens(n * axes, 4096).data, n, axes);
         auto table = t.poisoned(n, width);
         t.call([&] { t.exec.rope_table(table, positions, 1e4); });
       }},
      {"rope", 1e-6,
       [](run& t) {
         const index_t n = t.extent(), width = 2 * t.pick({1, 3, 16, 20, 32, 64}), heads = t.pick({1, 2, 5});
         auto table = t.input(n, width);
         auto x = t.filled(n, heads * width);
         const double direction = t.coin() ? 1.0 : -1.0;
         t.call([&] { t.exec.rope(x, table, direction); });
       }},
      {"attention", 4e-6,
       [](run& t) {
         index_t rows, keys;
         random_lengths(t, rows, keys);
         const attention_shape s = random_heads(t);
         auto mask = random_intervals(t, rows, keys);
         auto q = t.input(rows, s.heads * s.head_width), k = t.input(keys, s.kv_heads * s.head_width);
         auto v = t.input(keys, s.kv_heads * s.head_width);
         auto o = t.poisoned(rows, s.heads * s.head_width), lse = t.poisoned(rows, s.heads);
         t.call([&] { t.exec.attention(o, lse, q, k, v, mask, s); });
       }},
      {"attention_backward", 1e-5,
       [](run& t) {
         index_t rows, keys;
         random_lengths(t, rows, keys);
         const attention_shape s = random_heads(t);
         auto mask = random_intervals(t, rows, keys);
         auto q = t.input(rows, s.heads * s.head_width), k = t.input(keys, s.kv_heads * s.head_width);
         auto v = t.input(keys, s.kv_heads * s.head_width), d_o = t.input(rows, s.heads * s.head_width);
         auto o = t.values(rows, s.heads * s.head_width), lse = t.values(rows, s.heads);
         reference_exec<T>().attention(o, lse, q, k, v, mask, s);
         auto dq = t.maybe_sink(rows, s.heads * s.head_width), dk = t.maybe_sink(keys, s.kv_heads * s.head_width);
         auto dv = t.maybe_sink(keys, s.kv_heads * s.head_width);
         t.call([&] { t.exec.attention_backward(dq, dk, dv, d_o, o, lse, q, k, v, mask, s); });
       },
       0.1},
      {"swiglu", 2e-6,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent();
         auto gate = t.input(n, width, 3), up = t.input(n, width);
         auto y = t.poisoned(n, width);
         t.call([&] { t.exec.swiglu(y, gate, up); });
       }},
      {"swiglu_backward", 2e-6,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent();
         auto dy = t.input(n, width), gate = t.input(n, width, 3), up = t.input(n, width);
         auto dgate = t.maybe_sink(n, width), dup = t.maybe_sink(n, width);
         t.call([&] { t.exec.swiglu_backward(dgate, dup, dy, gate, up); });
       }},
      {"silu", 2e-6,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent();
         auto x = t.input(n, width, 3);
         auto y = t.poisoned(n, width);
         t.call([&] { t.exec.silu(y, x); });
       }},
      {"silu_backward", 2e-6,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent();
         auto dy = t.input(n, width), x = t.input(n, width, 3);
         auto dx = t.sink(n, width);
         t.call([&] { t.exec.silu_backward(dx, dy, x); });
       }},
      {"add", 1e-7,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent();
         auto a = t.input(n, width), b = t.input(n, width);
         auto y = t.poisoned(n, width), in_place = t.filled(n, width);
         t.call([&] {
           t.exec.add(y, a, b);
           t.exec.add(in_place, a, in_place);
         });
       }},
      {"accumulate", 1e-7,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent();
         auto x = t.input(n, width);
         auto dx = t.sink(n, width);
         t.call([&] { t.exec.accumulate(dx, x); });
       }},
      {"timestep_embedding", 2e-7,
       [](run& t) {
         const index_t n = t.extent(), half = t.extent();
         auto times = t.positive(n);
         auto y = t.poisoned(n, 2 * half);
         t.call([&] { t.exec.timestep_embedding(y, times, 1e4); });
       }},
      {"gather_rows", 0,
       [](run& t) {
         const index_t n = t.extent(), width = t.extent(), from = t.extent();
         auto x = t.input(from, width);
         auto rows = t.tokens(n, from);
         auto y = t.poisoned(n, width);
         t.call([&] { t.exec.gather_rows(y, x, rows); });
       }},
      {"gather_rows_backward", 2e-6,
       [](run& t) {
         const index_t n = 3 * t.extent(), width = t.extent(), to = t.extent();
         auto dy = t.input(n, width);
         auto rows = t.tokens(n, to);
         auto dx = t.sink(to, width);
         t.call([&] { t.exec.gather_rows_backward(dx, dy, rows); });
       }},
      {"scatter_rows", 0,
       [](run& t) {
         const index_t n = 2 * t.extent(), width = t.extent(), some = t.below(n + 1);
         auto x = t.input(n, width), s = t.input(some, width);
         auto rows = t.different(some, n);
         auto y = t.poisoned(n, width);
         t.call([&] { t.exec.scatter_rows(y, x, s, rows); });
       }},
      {"write_rows", 0,
       [](run& t) {
         const index_t n = 2 * t.extent(), width = t.extent(), some = t.below(n + 1);
         auto s = t.input(some, width);
         auto rows = t.different(some, n);
         auto y = t.filled(n, width);
         t.call([&] { t.exec.write_rows(y, s, rows); });
       }},
      {"scatter_rows_backward", 1e-7,
       [](run& t) {
         const index_t n = 2 * t.extent(), width = t.extent(), some = t.below(n + 1);
         auto dy = t.input(n, width);
         auto rows = t.different(some, n);
         auto dx = t.maybe_sink(n, width), ds = t.maybe_sink(some, width);
         t.call([&] { t.exec.scatter_rows_backward(dx, ds, dy, rows); });
       }},
      {"patchify", 0,
       [](run& t) {
         index_t values, patches;
         const patch_shape patch = random_patch(t);
         auto places = random_images(t, values, patches, 3, patch);
         auto x = t.input(values);
         auto y = t.poisoned(patches, 3 * patch.size());
         t.call([&] { t.exec.patchify(y, x, places, patch); });
       }},
      {"unpatchify", 0,
       [](run& t) {
         index_t values, patches;
         const patch_shape patch = random_patch(t);
         auto places = random_images(t, values, patches, 3, patch);
         auto x = t.input(patches, 3 * patch.size());
         auto y = t.poisoned(1, values);
         t.call([&] { t.exec.unpatchify(y.flat(), x, places, patch); });
       }},
      {"unpatchify_backward", 1e-7,
       [](run& t) {
         index_t values, patches;
         const patch_shape patch = random_patch(t);
         auto places = random_images(t, values, patches, 3, patch);
         auto x = t.input(values);
         auto dpatches = t.sink(patches, 3 * patch.size());
         t.call([&] { t.exec.unpatchify_backward(dpatches, x, places, patch); });
       }},
      {"mix", 1e-6,
       [](run& t) {
         index_t values, patches;
         auto places = random_images(t, values, patches, 4);
         auto a = t.input(values), b = t.input(values);
         auto coefficients = t.input(places.size(), 2);
         auto out = t.poisoned(1, values), in_place = t.filled(1, values);
         t.call([&] {
           t.exec.mix(out.flat(), a, b, coefficients, places);
           t.exec.mix(in_place.flat(), a, in_place.flat(), coefficients, places);
         });
       }},
      {"clamp", 1e-7,
       [](run& t) {
         auto x = t.filled(1, 400 * t.extent());
         t.call([&] { t.exec.clamp(x.flat(), -0.5, 0.7); });
       }},
      {"cross_entropy", 4e-6,
       [](run& t) {
         const index_t n = t.pick({1, 2, 17, 100, 300, 600}), width = t.extent(), vocabulary = t.pick({1, 7, 64, 521});
         auto x = t.input(n, width), w = t.input(vocabulary, width, 0.3);
         auto targets = t.tokens(n, vocabulary, t.pick({0, 1, 2, 5}));
         auto weights = t.positive(n);
         auto loss = t.poisoned(1, n), log_z = t.poisoned(1, n);
         auto dx = t.below(5) ? t.poisoned(n, width) : view<T, 2>{};
         auto dw = t.below(5) ? t.filled(vocabulary, width) : view<T, 2>{};
         const double z_weight = t.coin() ? 0.01 : 0.0, smoothing = t.coin() ? 0.1 : 0.0;
         t.call([&] {
           t.exec.cross_entropy(loss.flat(), log_z.flat(), dx, dw, x, w, targets, weights, z_weight, smoothing);
         });
       }},
      {"pointwise_error", 2e-6,
       [](run& t) {
         index_t values, patches;
         auto places = random_images(t, values, patches, 4);
         const auto kind = static_cast<error_kind>(t.below(4));
         const bool linear = kind == error_kind::linear;  // of one sign, so that the sum cancels nothing
         auto prediction = linear ? t.positive(values) : t.input(values);
         auto target = linear ? t.positive(values) : t.input(values), weights = t.positive(places.size());
         auto loss = t.poisoned(1, places.size());
         auto dy = t.maybe_sink(1, values);
         t.call([&] { t.exec.pointwise_error(kind, loss.flat(), dy, prediction, target, places, weights); });
       }},
      {"sum_of_squares", 1e-6,
       [](run& t) {
         auto x = t.input(199 * t.extent());
         auto out = t.poisoned(1, 1);
         t.call([&] { t.exec.sum_of_squares(out.flat(), x); });
       }},
      {"adamw", 1e-6,
       [](run& t) {
         const index_t n = 300 * t.extent();
         auto w = t.filled(1, n).flat(), m = t.filled(1, n).flat(), v = t.filled(1, n).flat();
         auto ema = t.coin() ? t.filled(1, n).flat() : view<T, 1>{};
         auto copy = t.coin() ? t.poisoned(1, n).flat() : view<T, 1>{};
         for (index_t i = 0; i < n; ++i) v[i] = std::abs(v[i]);
         auto g = t.input(n), norm = t.positive(1);
         const adamw_step step{.rate = 0.01,
                               .weight_decay = 0.1,
                               .correction1 = 0.4,
                               .correction2 = 0.2,
                               .max_norm = t.coin() ? 0.3 : 0.0,
                               .ema_decay = 0.99};
         t.call([&] { t.exec.adamw(w, m, v, ema, copy, g, norm, step); });
       }},
  };
}

/// Every operation.
template <class Exec>
std::vector<operation_case<Exec>> all() {
  auto cases = trunk_cases<Exec>();
  for (const auto& c : codec_cases<Exec>()) cases.push_back(c);
  return cases;
}

}  // namespace operation_cases
