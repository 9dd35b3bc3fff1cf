// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>

#include "transfusion/core/image.hpp"
#include "transfusion/core/interval.hpp"
#include "transfusion/core/philox.hpp"
#include "transfusion/core/view.hpp"

namespace transfusion {

/// Head count, head width and scale of one attention call. Queries [N, H·C]; keys and values [K, G·C] with G | H.
struct attention_shape {
  index_t heads = 1;       ///< H
  index_t kv_heads = 1;    ///< G: each key head serves H/G query heads
  index_t head_width = 1;  ///< C
  double scale = 1.0;      ///< usually 1/sqrt(C)
};

/// One step of AdamW (Loshchilov & Hutter 2019, algorithm 2), all that the kernel needs to know of it.
struct adamw_step {
  double rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double correction1 = 1;  ///< 1 - beta1^step
  double correction2 = 1;  ///< 1 - beta2^step
  double max_norm = 0;     ///< clip the gradient to this global norm; 0: no clip
  double ema_decay = 0;
};

// The static interface of an execution policy. Rules that hold for every operation below:
//   * views are row-major and lie in the policy's memory; an empty view means "not wanted";
//   * parameter gradients (dw, db, dtable) are added to; activation gradients obey their gradient_sink;
//   * the result is a pure function of the operands: same bits for the same build, whatever the number of threads;
//   * outputs never overlap inputs unless the comment says that they may.
// Letters: N rows, I in, O out, D width, H heads, C head width, F feed-forward, V vocabulary, P patches.

// clang-format off
template <class E, class T = typename E::scalar>
concept memory_operations = requires(E& e, void* p, const void* q, std::size_t bytes, view<T, 1> x, view<const T, 1> cx) {
  { e.allocate(bytes) } -> std::same_as<void*>;      // 64-byte aligned; throws device_error when there is no more
  e.deallocate(p, bytes);
  e.upload(p, q, bytes);                             // host to policy
  e.download(p, q, bytes);                           // policy to host; waits for what went before
  e.fill(x, 0.0);
  e.copy(x, cx);
};

template <class E, class T = typename E::scalar>
concept random_operations = requires(E& e, view<T, 1> x, random_key key) {
  e.normal(x, key, 1.0, index_t{});                  // x[i] = scale * normal (first + i) of the key; first = 0 if left out
};

template <class E, class T = typename E::scalar>
concept dense_operations = requires(E& e, view<T, 2> m, view<const T, 2> cm, view<T, 1> x, view<const T, 1> cx,
                                    gradient_sink<T> sink, view<const token_t, 1> ids) {
  e.linear(m, cm, cm, cx);                           // y[N,O] = x[N,I] w[O,I]^T (+ b[O])
  e.linear_backward(sink, m, x, cm, cm, cm);         // dx, dw += , db += from dy, x, w
  e.embedding(m, cm, ids);                           // y[n] = table[ids[n]]; a zero row where ids[n] < 0
  e.embedding_backward(m, cm, ids);                  // dtable[ids[n]] += dy[n], in rising n
};

template <class E, class T = typename E::scalar>
concept norm_operations = requires(E& e, view<T, 2> m, view<const T, 2> cm, view<T, 1> x, view<const T, 1> cx,
                                   gradient_sink<T> sink) {
  e.rms_norm(m, x, cm, cx, 1e-5);                    // y = x / rms(x) * w; keeps 1/rms [N]
  e.add_rms_norm(m, m, x, cm, cm, cx, 1e-5);         // sum = a + b; y = sum / rms(sum) * w
  e.rms_norm_backward(sink, x, cm, cm, cx, cx);      // dx, dw += from dy, x, w, 1/rms
};

template <class E, class T = typename E::scalar>
concept attention_operations = requires(E& e, view<T, 2> m, view<const T, 2> cm, gradient_sink<T> sink,
                                        view<const token_t, 1> ids, key_intervals keys, attention_shape shape) {
  e.rope_table(m, ids, 1e4);                         // table[N,C]: cos, sin of position * theta^(-2i/C), pair by pair
  e.rope(m, cm, 1.0);                                // rotates adjacent pairs of each head of x[N,H*C] in place; -1: back
  e.attention(m, m, cm, cm, cm, keys, shape);        // o[N,H*C], log-sum-exp[N,H]; a row that sees no key gives 0
  e.attention_backward(sink, sink, sink, cm, cm, cm, cm, cm, cm, keys, shape); // dq, dk, dv from do, o, lse, q, k, v
};

template <class E, class T = typename E::scalar>
concept elementwise_operations = requires(E& e, view<T, 2> m, view<const T, 2> cm, gradient_sink<T> sink,
                                          view<const token_t, 1> rows, view<const T, 1> cx) {
  e.swiglu(m, cm, cm);                               // y = silu(gate) * up
  e.swiglu_backward(sink, sink, cm, cm, cm);         // dgate, dup from dy, gate, up
  e.silu(m, cm);
  e.silu_backward(sink, cm, cm);                     // dx from dy, x
  e.add(m, cm, cm);                                  // y = a + b; y may be a or b
  e.accumulate(sink, cm);                            // sink = or += x
  e.timestep_embedding(m, cx, 1e4);                  // y[I,2K]: cos then sin of t * period^(-k/K)
  e.gather_rows(m, cm, rows);                        // y[i] = x[rows[i]]
  e.gather_rows_backward(sink, cm, rows);            // dx[rows[i]] += dy[i]; rows not named get 0 (when not adding)
  e.scatter_rows(m, cm, cm, rows);                   // y = x, but y[rows[i]] = s[i]; rows without repeats
  e.write_rows(m, cm, rows);                         // y[rows[i]] = s[i], the other rows untouched (KV cache)
  e.scatter_rows_backward(sink, sink, cm, rows);     // dx = dy but 0 at rows; ds[i] = dy[rows[i]]
};

template <class E, class T = typename E::scalar>
concept image_operations = requires(E& e, view<T, 2> m, view<const T, 2> cm, view<T, 1> x, view<const T, 1> cx,
                                    gradient_sink<T> sink, view<const image_place, 1> images, index_t patch) {
  e.patchify(m, cx, images, patch);                  // [C,H,W] images to rows [P, C*patch*patch] in raster order
  e.unpatchify(x, cm, images, patch);                // and back
  e.mix(x, cx, cx, cm, images);                      // out = c[i][0] * a + c[i][1] * b for image i; out may be a or b
  e.clamp(x, -1.0, 1.0);
};

template <class E, class T = typename E::scalar>
concept loss_operations = requires(E& e, view<T, 2> m, view<const T, 2> cm, view<T, 1> x, view<const T, 1> cx,
                                   gradient_sink<T> sink, view<const token_t, 1> ids, view<const image_place, 1> images) {
  e.cross_entropy(x, x, m, m, cm, cm, ids, cx, 0.0); // loss[N], log Z[N], dx, dw += from x, w[V,D], targets, weights, z weight
  e.squared_error(x, sink, cx, cx, images, cx);      // loss[i] = mean over image i; dy from prediction, target, weights[i]
};

template <class E, class T = typename E::scalar>
concept optimiser_operations = requires(E& e, view<T, 1> x, view<const T, 1> cx, adamw_step step) {
  e.sum_of_squares(x, cx);                           // x[0] = sum of squares, in a fixed order
  e.adamw(x, x, x, x, cx, cx, step);                 // w, m, v, ema (or empty) from g and the squared global norm [1]
};
// clang-format on

/// What a policy must be able to do. `reference_exec`, `cpu_exec` and `cuda_exec` are the models of it.
template <class E>
concept execution_policy = requires {
  typename E::scalar;
}
&&memory_operations<E>&& random_operations<E>&& dense_operations<E>&& norm_operations<E>&& attention_operations<E>&&
    elementwise_operations<E>&& image_operations<E>&& loss_operations<E>&& optimiser_operations<E>;

}  // namespace transfusion
