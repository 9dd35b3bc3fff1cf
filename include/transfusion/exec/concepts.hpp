// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>

#include "transfusion/core/error_kind.hpp"
#include "transfusion/core/image.hpp"
#include "transfusion/core/interval.hpp"
#include "transfusion/core/philox.hpp"
#include "transfusion/core/text_sampling.hpp"
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
// `scalar` T is the type of activations and of the weights that products read; `real` R that of sums, statistics,
// losses, images, parameter gradients and the trained weights. They are one type in `cpu_exec`, bf16 and float in
// `cuda_exec`. Letters: N rows, I in, O out, D width, H heads, C head width, F feed-forward, V vocabulary, P patches.

// clang-format off
template <class E, class T = typename E::scalar, class R = typename E::real>
concept memory_operations = requires(E& e, void* p, const void* q, std::size_t bytes, view<T, 1> x, view<const T, 1> cx,
                                     view<R, 1> r, view<const R, 1> cr) {
  { e.allocate(bytes) } -> std::same_as<void*>;      // 64-byte aligned; throws device_error when there is no more
  e.deallocate(p, bytes);
  e.upload(p, q, bytes);                             // host to policy; q may be changed or freed on return
  e.download(p, q, bytes);                           // policy to host; waits for what went before
  e.fill(x, 0.0);
  e.fill(r, 0.0);
  e.copy(x, cx);
  e.copy(r, cr);
  e.widen(r, cx);                                    // scalar to real
  e.narrow(x, cr);                                   // real to scalar, rounded to nearest even
};

template <class E, class T = typename E::scalar, class R = typename E::real>
concept random_operations = requires(E& e, view<R, 1> x, view<const T, 2> cm, gradient_sink<T> sink, random_key key) {
  e.normal(x, key, 1.0, index_t{});                  // x[i] = scale * normal (first + i) of the key; first = 0 if left out
  // y[i] = or += x[i] / (1 - rate) where uniform number first + i of the key is at least the rate, or 0.
  e.dropout(sink, cm, key, 0.1, index_t{});
};

template <class E, class T = typename E::scalar, class R = typename E::real>
concept dense_operations = requires(E& e, view<T, 2> m, view<const T, 2> cm, view<const T, 1> cx, view<R, 2> rm,
                                    view<R, 1> r, gradient_sink<T> sink, view<const token_t, 1> ids,
                                    view<const token_t, 2> taps) {
  e.linear(m, cm, cm, cx);                           // y[N,O] = x[N,I] w[O,I]^T (+ b[O])
  e.logits(rm, cm, cm);                              // the same without a bias, in real
  e.linear_backward(sink, rm, r, cm, cm, cm);        // dx, dw += , db += from dy, x, w
  e.convolution(m, cm, cm, cx, taps);                // y[m] = sum of w[:,k] x[taps[m,k]] (+ b) over taps >= 0; w[O,K*C]
  // dx, dw += , db += from dy, x, w, taps[M,K] and their reverse[N,K]: the m with taps[m,k] = n, or -1.
  e.convolution_backward(sink, rm, r, cm, cm, cm, taps, taps);
  e.max_pool(m, cm, taps);                           // y[m] = largest x[taps[m,k]] over taps >= 0 by channel, or 0
  e.max_pool_backward(sink, cm, cm, taps, taps);     // dx from dy, x, taps, reverse; of equal taps the first has it
  e.embedding(m, cm, ids);                           // y[n] = table[ids[n]]; a zero row where ids[n] < 0
  e.embedding_backward(rm, cm, ids);                 // dtable[ids[n]] += dy[n], in rising n
};

template <class E, class T = typename E::scalar, class R = typename E::real>
concept norm_operations = requires(E& e, view<T, 2> m, view<const T, 2> cm, view<R, 2> rm, view<const R, 2> crm,
                                   view<R, 1> r, view<const R, 1> cr, gradient_sink<T> sink,
                                   view<const key_interval, 1> ranges) {
  e.rms_norm(m, r, cm, cr, 1e-5);                    // y = x / rms(x) * w; keeps 1/rms [N]
  e.add_rms_norm(m, m, r, cm, cm, cr, 1e-5);         // sum = a + b; y = sum / rms(sum) * w
  e.rms_norm_backward(sink, r, cm, cm, cr, cr);      // dx, dw += from dy, x, w, 1/rms
  // y = (x - mean) / deviation * w + b by row, without what is empty of w and b; keeps mean and 1/deviation [N,2].
  e.layer_norm(m, rm, cm, cr, cr, 1e-5);
  e.layer_norm_backward(sink, r, r, cm, cm, cr, crm); // dx, dw += , db += from dy, x, w (or empty), mean and 1/deviation
  // The same over the rows of each image (ranges[S]) and the channels of each of its groups; keeps [S*groups,2].
  e.group_norm(m, rm, cm, cr, cr, ranges, index_t{}, 1e-5);
  e.group_norm_backward(sink, r, r, cm, cm, cr, crm, ranges, index_t{}); // likewise
};

template <class E, class T = typename E::scalar, class R = typename E::real>
concept attention_operations = requires(E& e, view<T, 2> m, view<const T, 2> cm, view<R, 2> rm, view<const R, 2> crm,
                                        gradient_sink<T> sink, view<const token_t, 2> positions, key_intervals keys,
                                        attention_shape shape) {
  // table[N,C]: cos, sin of position * theta^(-2i/C) for pair i; positions[N,A], A axes, of which pair i takes i % A.
  e.rope_table(rm, positions, 1e4);
  e.rope(m, crm, 1.0);                               // rotates adjacent pairs of each head of x[N,H*C] in place; -1: back
  e.attention(m, rm, cm, cm, cm, keys, shape);       // o[N,H*C], log-sum-exp[N,H]; a row that sees no key gives 0
  e.attention_backward(sink, sink, sink, cm, cm, crm, cm, cm, cm, keys, shape); // dq, dk, dv from do, o, lse, q, k, v
};

template <class E, class T = typename E::scalar, class R = typename E::real>
concept elementwise_operations = requires(E& e, view<T, 2> m, view<const T, 2> cm, gradient_sink<T> sink,
                                          view<const token_t, 1> rows, view<const R, 1> cr) {
  e.swiglu(m, cm, cm);                               // y = silu(gate) * up
  e.swiglu_backward(sink, sink, cm, cm, cm);         // dgate, dup from dy, gate, up; the sinks may be one array
  e.silu(m, cm);
  e.silu_backward(sink, cm, cm);                     // dx from dy, x
  e.gelu(m, cm);                                     // y = x * P(a standard normal lies below x), by erf
  e.gelu_backward(sink, cm, cm);                     // dx from dy, x
  e.leaky_relu(m, cm, 0.2);                          // y = x where x > 0, slope * x elsewhere
  e.leaky_relu_backward(sink, cm, cm, 0.2);          // dx from dy, x
  e.multiply(m, cm, cm);                             // y = a * b, elementwise
  e.multiply_backward(sink, sink, cm, cm, cm);       // da, db from dy, a, b; da is written first: they may be one array
  e.add(m, cm, cm);                                  // y = a + b; y may be a or b
  e.accumulate(sink, cm);                            // sink = or += x
  e.concatenate(m, cm, cm);                          // y[N,A+B] = the columns of a[N,A], then those of b[N,B]
  e.concatenate_backward(sink, sink, cm);            // da, db from dy; da is written first: they may be one array
  e.timestep_embedding(m, cr, 1e4);                  // y[I,2K]: cos then sin of t * period^(-k/K)
  e.gather_rows(m, cm, rows);                        // y[i] = x[rows[i]]
  e.gather_rows_backward(sink, cm, rows);            // dx[rows[i]] += dy[i]; rows not named get 0 (when not adding)
  e.scatter_rows(m, cm, cm, rows);                   // y = x, but y[rows[i]] = s[i]; rows without repeats
  e.write_rows(m, cm, rows);                         // y[rows[i]] = s[i], the other rows untouched (KV cache)
  e.scatter_rows_backward(sink, sink, cm, rows);     // dx = dy but 0 at rows; ds[i] = dy[rows[i]]; may be one array
};

template <class E, class T = typename E::scalar, class R = typename E::real>
concept image_operations = requires(E& e, view<T, 2> m, view<const T, 2> cm, view<T, 1> x, view<const T, 1> cx,
                                    view<R, 1> r, view<const R, 1> cr, view<const R, 2> crm, gradient_sink<T> sink,
                                    view<const image_place, 1> images, patch_shape patch) {
  e.patchify(m, cr, images, patch);                  // [C,Z,H,W] images to rows [P, C*patch.size()], both in raster order
  e.unpatchify(x, cm, images, patch);                // and back
  e.unpatchify_backward(sink, cx, images, patch);    // dpatches from dvalues
  e.mix(r, cr, cr, crm, images);                     // out = c[i][0] * a + c[i][1] * b for image i; out may be a or b
  e.clamp(r, -1.0, 1.0);
  // x *= s * deviation(reference) / deviation(x) + 1 - s, image by image; an image of equal values is left alone.
  e.match_deviation(r, cr, images, 0.7);
  // x = clamp(x, -m, m) * floor / m, m the larger of floor and the quantile of |x| of its image, linear between values.
  e.dynamic_threshold(r, images, 0.995, 1.0);
  // out[i] = the root mean square over image i of error / (absolute + relative * max(|a|, |b|)).
  e.scaled_error(r, cr, cr, cr, images, 1e-3, 1e-3);
};

template <class E, class T = typename E::scalar, class R = typename E::real>
concept loss_operations = requires(E& e, view<T, 2> m, view<const T, 2> cm, view<const T, 1> cx, view<R, 2> rm,
                                   view<R, 1> r, view<const R, 1> cr, gradient_sink<T> sink,
                                   view<const token_t, 1> ids, view<const image_place, 1> images) {
  // loss[N], log Z[N], dx, dw += from x, w[V,D], targets, weights, z weight and smoothing s:
  // loss = (1-s) * -log p(target) + s * the mean over the vocabulary of -log p; gradients of weight * (loss + z log² Z).
  e.cross_entropy(r, r, m, rm, cm, cm, ids, cr, 0.0, 0.0);
  // loss[i] = mean over image i of the error; dy from prediction, target, weights[i].
  e.pointwise_error(error_kind::squared, r, sink, cx, cr, images, cr);
};

template <class E, class T = typename E::scalar, class R = typename E::real>
concept latent_operations = requires(E& e, view<T, 2> m, view<const T, 2> cm, view<const R, 2> crm, view<R, 1> r,
                                     view<const R, 1> cr, gradient_sink<T> sink, view<token_t, 1> out,
                                     view<const key_interval, 1> ranges) {
  // z[P,C] = mean + exp(log variance / 2) * noise, or the mean where there is no noise, from moments[P,2C]: means, then
  // log-variances, clamped; kl[i] = sum over rows ranges[i] of (mean^2 + variance - 1 - log variance) / 2.
  e.gaussian_sample(m, r, cm, crm, ranges);
  // dmoments from dz (or empty), moments, noise, ranges (which cover every row once) and weights[i] of kl[i] (or empty).
  e.gaussian_sample_backward(sink, cm, cm, crm, ranges, cr);
  // out[n] = the row of table[V,D] nearest to x[n], the lowest of equal ones; 0 where a distance is not finite.
  e.nearest_rows(out, cm, cm);
};

template <class E, class R = typename E::real>
concept sampling_operations = requires(E& e, view<token_t, 1> out, view<const R, 2> crm, view<const R, 1> cr,
                                       text_sampling settings, view<const token_t, 2> forbidden) {
  // out[n] = the token that cr[n], in (0, 1), draws from logits crm[N,V], as sample_token does; never one of
  // forbidden[N,F] (below V; -1: no token). Where a logit is NaN or +inf, or none is above -inf: -1.
  e.sample_tokens(out, crm, settings, cr, forbidden);
};

template <class E, class T = typename E::scalar, class R = typename E::real>
concept optimiser_operations = requires(E& e, view<T, 1> x, view<R, 1> r, view<const R, 1> cr, adamw_step step) {
  e.sum_of_squares(r, cr);                           // r[0] = sum of squares, in a fixed order
  e.adamw(r, r, r, r, x, cr, cr, step);              // w, m, v, ema (or empty), copy of w in scalar (or empty) from g and
};                                                   // the squared global norm [1]
// clang-format on

/// What a policy must be able to do. `reference_exec`, `cpu_exec` and `cuda_exec` are the models of it.
template <class E>
concept execution_policy = requires {
  typename E::scalar;
  typename E::real;
  requires std::floating_point<typename E::real>;
}
&&memory_operations<E>&& random_operations<E>&& dense_operations<E>&& norm_operations<E>&& attention_operations<E>&&
    elementwise_operations<E>&& image_operations<E>&& loss_operations<E>&& latent_operations<E>&&
        sampling_operations<E>&& optimiser_operations<E>;

}  // namespace transfusion
