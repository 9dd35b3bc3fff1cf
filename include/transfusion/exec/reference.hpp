// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <numbers>
#include <type_traits>
#include <vector>

#include "transfusion/core/bf16.hpp"
#include "transfusion/core/error.hpp"
#include "transfusion/core/log_variance.hpp"
#include "transfusion/core/outranks.hpp"
#include "transfusion/core/sample_token.hpp"
#include "transfusion/exec/concepts.hpp"

namespace transfusion {

/// The oracle: every operation as its formula reads, one loop inside another, on the host. Slow and easy to check.
/// The other policies are judged against `reference_exec<double>`; `reference_exec<bf16>` computes in float and rounds
/// what it stores, as a GPU does.
template <class Scalar = double>
class reference_exec {
 public:
  using scalar = Scalar;
  using real = accurate_t<Scalar>;
  using matrix = view<Scalar, 2>;
  using const_matrix = view<const Scalar, 2>;
  using vector = view<Scalar, 1>;
  using const_vector = view<const Scalar, 1>;
  using real_matrix = view<real, 2>;
  using const_real_matrix = view<const real, 2>;
  using real_vector = view<real, 1>;
  using const_real_vector = view<const real, 1>;
  using sink = gradient_sink<Scalar>;

  void* allocate(std::size_t bytes) {
    ++allocations_;
    return ::operator new (bytes, std::align_val_t{64});
  }
  void deallocate(void* p, std::size_t) noexcept { ::operator delete (p, std::align_val_t{64}); }
  /// How many blocks of memory this policy has handed out so far.
  index_t allocations() const { return allocations_; }

  void upload(void* to, const void* from, std::size_t bytes) {
    if (bytes) std::memcpy(to, from, bytes);
  }
  void download(void* to, const void* from, std::size_t bytes) {
    if (bytes) std::memcpy(to, from, bytes);
  }
  template <class T>
  void fill(view<T, 1> x, double value) {
    for (index_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(static_cast<real>(value));
  }
  template <class T>
  void copy(view<T, 1> y, view<const std::type_identity_t<T>, 1> x) {
    for (index_t i = 0; i < y.size(); ++i) y[i] = x[i];
  }
  void widen(real_vector y, const_vector x) {
    for (index_t i = 0; i < y.size(); ++i) y[i] = x[i];
  }
  void narrow(vector y, const_real_vector x) {
    for (index_t i = 0; i < y.size(); ++i) y[i] = static_cast<Scalar>(x[i]);
  }

  void normal(real_vector x, random_key key, double scale, index_t first = 0) {
    double four[4] = {};
    for (index_t i = 0; i < x.size(); ++i) {
      normal_block(key, static_cast<std::uint64_t>((first + i) / 4), four);
      x[i] = static_cast<real>(scale * four[(first + i) % 4]);
    }
  }

  void linear(matrix y, const_matrix x, const_matrix w, const_vector b) {
    for (index_t n = 0; n < y.rows(); ++n)
      for (index_t o = 0; o < y.cols(); ++o)
        y(n, o) = static_cast<Scalar>((b ? real{b[o]} : real{0}) + dot(x, n, w, o));
  }
  void logits(real_matrix y, const_matrix x, const_matrix w) {
    for (index_t n = 0; n < y.rows(); ++n)
      for (index_t o = 0; o < y.cols(); ++o) y(n, o) = dot(x, n, w, o);
  }
  void linear_backward(sink dx, real_matrix dw, real_vector db, const_matrix dy, const_matrix x, const_matrix w) {
    for (index_t n = 0; dx && n < dy.rows(); ++n)
      for (index_t i = 0; i < w.cols(); ++i) {
        real sum = 0;
        for (index_t o = 0; o < dy.cols(); ++o) sum += dy(n, o) * w(o, i);
        put(dx, n, i, sum);
      }
    for (index_t o = 0; o < dy.cols(); ++o)
      for (index_t n = 0; n < dy.rows(); ++n) {
        for (index_t i = 0; dw && i < w.cols(); ++i) dw(o, i) += dy(n, o) * x(n, i);
        if (db) db[o] += dy(n, o);
      }
  }

  void convolution(matrix y, const_matrix x, const_matrix w, const_vector b, view<const token_t, 2> taps) {
    for (index_t m = 0; m < y.rows(); ++m)
      for (index_t o = 0; o < y.cols(); ++o) {
        real sum = b ? real{b[o]} : real{0};
        for (index_t k = 0; k < taps.cols(); ++k)
          for (index_t c = 0; taps(m, k) >= 0 && c < x.cols(); ++c) sum += x(taps(m, k), c) * w(o, k * x.cols() + c);
        y(m, o) = static_cast<Scalar>(sum);
      }
  }
  /// `taps` alone says all; `reverse` is for those who gather.
  void convolution_backward(sink dx, real_matrix dw, real_vector db, const_matrix dy, const_matrix x, const_matrix w,
                            view<const token_t, 2> taps, view<const token_t, 2>) {
    std::vector<real> sums(static_cast<std::size_t>(x.size()));
    const real_matrix to_x(sums.data(), x.rows(), x.cols());
    for (index_t m = 0; m < dy.rows(); ++m)
      for (index_t o = 0; o < dy.cols(); ++o) {
        if (db) db[o] += dy(m, o);
        for (index_t k = 0; k < taps.cols(); ++k)
          for (index_t c = 0, n = taps(m, k); n >= 0 && c < x.cols(); ++c) {
            to_x(n, c) += dy(m, o) * w(o, k * x.cols() + c);
            if (dw) dw(o, k * x.cols() + c) += dy(m, o) * x(n, c);
          }
      }
    put_all(dx, to_x);
  }

  void max_pool(matrix y, const_matrix x, view<const token_t, 2> taps) {
    for (index_t m = 0; m < y.rows(); ++m)
      for (index_t c = 0; c < y.cols(); ++c) {
        const token_t n = pooled_row(x, taps, m, c);
        y(m, c) = n < 0 ? Scalar{} : x(n, c);
      }
  }
  void max_pool_backward(sink dx, const_matrix dy, const_matrix x, view<const token_t, 2> taps,
                         view<const token_t, 2>) {
    std::vector<real> sums(static_cast<std::size_t>(x.size()));
    const real_matrix to_x(sums.data(), x.rows(), x.cols());
    for (index_t m = 0; m < dy.rows(); ++m)
      for (index_t c = 0; c < dy.cols(); ++c)
        if (const token_t n = pooled_row(x, taps, m, c); n >= 0) to_x(n, c) += dy(m, c);
    put_all(dx, to_x);
  }

  void embedding(matrix y, const_matrix table, view<const token_t, 1> ids) {
    for (index_t n = 0; n < y.rows(); ++n)
      for (index_t d = 0; d < y.cols(); ++d) y(n, d) = ids[n] < 0 ? Scalar{} : table(ids[n], d);
  }
  void embedding_backward(real_matrix dtable, const_matrix dy, view<const token_t, 1> ids) {
    for (index_t n = 0; n < dy.rows(); ++n)
      for (index_t d = 0; ids[n] >= 0 && d < dy.cols(); ++d) dtable(ids[n], d) += dy(n, d);
  }

  void rms_norm(matrix y, real_vector inverse_rms, const_matrix x, const_real_vector w, double epsilon) {
    for (index_t n = 0; n < x.rows(); ++n) {
      real squares = 0;
      for (index_t d = 0; d < x.cols(); ++d) squares += x(n, d) * x(n, d);
      inverse_rms[n] = 1 / std::sqrt(squares / static_cast<real>(x.cols()) + static_cast<real>(epsilon));
      for (index_t d = 0; d < x.cols(); ++d) y(n, d) = static_cast<Scalar>(x(n, d) * inverse_rms[n] * w[d]);
    }
  }
  void add_rms_norm(matrix sum, matrix y, real_vector inverse_rms, const_matrix a, const_matrix b, const_real_vector w,
                    double epsilon) {
    add(sum, a, b);
    rms_norm(y, inverse_rms, sum, w, epsilon);
  }
  void rms_norm_backward(sink dx, real_vector dw, const_matrix dy, const_matrix x, const_real_vector w,
                         const_real_vector inverse_rms) {
    for (index_t n = 0; n < x.rows(); ++n) {
      const real r = inverse_rms[n];
      real along = 0;
      for (index_t d = 0; d < x.cols(); ++d) along += dy(n, d) * w[d] * x(n, d);
      for (index_t d = 0; d < x.cols(); ++d) {
        if (dw) dw[d] += dy(n, d) * x(n, d) * r;
        if (dx) put(dx, n, d, r * dy(n, d) * w[d] - r * r * r * x(n, d) * along / static_cast<real>(x.cols()));
      }
    }
  }

  void group_norm(matrix y, real_matrix stats, const_matrix x, const_real_vector w, const_real_vector b,
                  view<const key_interval, 1> ranges, index_t groups, double epsilon) {
    const index_t width = x.cols() / groups;
    for (index_t i = 0; i < ranges.size(); ++i)
      for (index_t g = 0; g < groups; ++g) {
        const real count = static_cast<real>((ranges[i].end - ranges[i].begin) * width);
        real sum = 0, squares = 0;
        each_of_group(ranges[i], g, width, [&](index_t n, index_t c) { sum += x(n, c); });
        const real mean = sum / count;
        each_of_group(ranges[i], g, width,
                      [&](index_t n, index_t c) { squares += (x(n, c) - mean) * (x(n, c) - mean); });
        const real inverse = 1 / std::sqrt(squares / count + static_cast<real>(epsilon));
        each_of_group(ranges[i], g, width, [&](index_t n, index_t c) {
          y(n, c) = static_cast<Scalar>((x(n, c) - mean) * inverse * w[c] + b[c]);
        });
        stats(i * groups + g, 0) = mean;
        stats(i * groups + g, 1) = inverse;
      }
  }
  void group_norm_backward(sink dx, real_vector dw, real_vector db, const_matrix dy, const_matrix x,
                           const_real_vector w, const_real_matrix stats, view<const key_interval, 1> ranges,
                           index_t groups) {
    const index_t width = x.cols() / groups;
    for (index_t i = 0; i < ranges.size(); ++i)
      for (index_t g = 0; g < groups; ++g) {
        const real count = static_cast<real>((ranges[i].end - ranges[i].begin) * width);
        const real mean = stats(i * groups + g, 0), inverse = stats(i * groups + g, 1);
        const auto normed = [&](index_t n, index_t c) { return (x(n, c) - mean) * inverse; };
        real sum = 0, along = 0;
        each_of_group(ranges[i], g, width, [&](index_t n, index_t c) {
          sum += dy(n, c) * w[c];
          along += dy(n, c) * w[c] * normed(n, c);
          if (dw) dw[c] += dy(n, c) * normed(n, c);
          if (db) db[c] += dy(n, c);
        });
        if (!dx) continue;
        each_of_group(ranges[i], g, width, [&](index_t n, index_t c) {
          put(dx, n, c, inverse * (dy(n, c) * w[c] - sum / count - normed(n, c) * along / count));
        });
      }
  }

  void layer_norm(matrix y, real_matrix stats, const_matrix x, const_real_vector w, const_real_vector b,
                  double epsilon) {
    const real width = static_cast<real>(x.cols());
    for (index_t n = 0; n < x.rows(); ++n) {
      real sum = 0, squares = 0;
      for (index_t d = 0; d < x.cols(); ++d) sum += x(n, d);
      const real mean = sum / width;
      for (index_t d = 0; d < x.cols(); ++d) squares += (x(n, d) - mean) * (x(n, d) - mean);
      const real inverse = 1 / std::sqrt(squares / width + static_cast<real>(epsilon));
      for (index_t d = 0; d < x.cols(); ++d)
        y(n, d) = static_cast<Scalar>((x(n, d) - mean) * inverse * (w ? w[d] : real{1}) + (b ? b[d] : real{0}));
      stats(n, 0) = mean;
      stats(n, 1) = inverse;
    }
  }
  void layer_norm_backward(sink dx, real_vector dw, real_vector db, const_matrix dy, const_matrix x,
                           const_real_vector w, const_real_matrix stats) {
    const real width = static_cast<real>(x.cols());
    for (index_t n = 0; n < x.rows(); ++n) {
      const real mean = stats(n, 0), inverse = stats(n, 1);
      const auto normed = [&](index_t d) { return (x(n, d) - mean) * inverse; };
      const auto pull = [&](index_t d) { return dy(n, d) * (w ? w[d] : real{1}); };
      real total = 0, along = 0;
      for (index_t d = 0; d < x.cols(); ++d) {
        total += pull(d);
        along += pull(d) * normed(d);
      }
      for (index_t d = 0; d < x.cols(); ++d) {
        if (dw) dw[d] += dy(n, d) * normed(d);
        if (db) db[d] += dy(n, d);
        if (dx) put(dx, n, d, inverse * (pull(d) - total / width - normed(d) * along / width));
      }
    }
  }

  void rope_table(real_matrix table, view<const token_t, 2> positions, double theta) {
    const index_t width = table.cols(), axes = positions.cols();
    for (index_t n = 0; n < table.rows(); ++n)
      for (index_t i = 0; i < width / 2; ++i) {
        const double angle =
            positions(n, i % axes) * std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(width));
        table(n, 2 * i) = static_cast<real>(std::cos(angle));
        table(n, 2 * i + 1) = static_cast<real>(std::sin(angle));
      }
  }
  void rope(matrix x, const_real_matrix table, double direction) {
    const index_t width = table.cols();
    for (index_t n = 0; n < x.rows(); ++n)
      for (index_t c = 0; c < x.cols(); c += 2) {
        const real cosine = table(n, c % width), sine = static_cast<real>(direction) * table(n, c % width + 1);
        const real re = x(n, c), im = x(n, c + 1);
        x(n, c) = static_cast<Scalar>(re * cosine - im * sine);
        x(n, c + 1) = static_cast<Scalar>(re * sine + im * cosine);
      }
  }

  void attention(matrix o, real_matrix lse, const_matrix q, const_matrix k, const_matrix v, key_intervals keys,
                 attention_shape shape) {
    const index_t width = shape.head_width;
    std::vector<real> p(static_cast<std::size_t>(k.rows())), sums(static_cast<std::size_t>(width));
    for (index_t n = 0; n < q.rows(); ++n)
      for (index_t h = 0; h < shape.heads; ++h) {
        const index_t g = h / (shape.heads / shape.kv_heads);
        lse(n, h) = -INFINITY;
        real top = -INFINITY, total = 0;
        for (index_t j = 0; j < k.rows(); ++j) {
          if (!visible(keys, n, j)) continue;
          p[static_cast<std::size_t>(j)] = score(q, k, n, h, j, g, shape);
          top = std::max(top, p[static_cast<std::size_t>(j)]);
        }
        std::fill(sums.begin(), sums.end(), real{0});
        for (index_t j = 0; j < k.rows(); ++j)
          if (visible(keys, n, j)) total += std::exp(p[static_cast<std::size_t>(j)] - top);
        if (top != -INFINITY) lse(n, h) = top + std::log(total);
        for (index_t j = 0; j < k.rows(); ++j) {
          if (!visible(keys, n, j)) continue;
          const real weight = std::exp(p[static_cast<std::size_t>(j)] - lse(n, h));
          for (index_t c = 0; c < width; ++c) sums[static_cast<std::size_t>(c)] += weight * v(j, g * width + c);
        }
        for (index_t c = 0; c < width; ++c)
          o(n, h * width + c) = static_cast<Scalar>(sums[static_cast<std::size_t>(c)]);
      }
  }
  void attention_backward(sink dq, sink dk, sink dv, const_matrix d_o, const_matrix o, const_real_matrix lse,
                          const_matrix q, const_matrix k, const_matrix v, key_intervals keys, attention_shape shape) {
    const index_t width = shape.head_width;
    std::vector<real> sum_q(static_cast<std::size_t>(q.size())), sum_k(static_cast<std::size_t>(k.size())),
        sum_v(static_cast<std::size_t>(v.size()));
    const real_matrix to_q(sum_q.data(), q.rows(), q.cols()), to_k(sum_k.data(), k.rows(), k.cols()),
        to_v(sum_v.data(), v.rows(), v.cols());
    for (index_t n = 0; n < q.rows(); ++n)
      for (index_t h = 0; h < shape.heads; ++h) {
        const index_t g = h / (shape.heads / shape.kv_heads);
        real delta = 0;
        for (index_t c = 0; c < width; ++c) delta += d_o(n, h * width + c) * o(n, h * width + c);
        for (index_t j = 0; j < k.rows(); ++j) {
          if (!visible(keys, n, j)) continue;
          const real p = std::exp(score(q, k, n, h, j, g, shape) - lse(n, h));
          real dp = 0;
          for (index_t c = 0; c < width; ++c) dp += d_o(n, h * width + c) * v(j, g * width + c);
          const real ds = p * (dp - delta) * static_cast<real>(shape.scale);
          for (index_t c = 0; c < width; ++c) {
            to_v(j, g * width + c) += p * d_o(n, h * width + c);
            to_q(n, h * width + c) += ds * k(j, g * width + c);
            to_k(j, g * width + c) += ds * q(n, h * width + c);
          }
        }
      }
    for (sink* s : {&dq, &dk, &dv}) {
      if (*s && !s->add) fill(s->into.flat(), 0);
      s->add = true;
    }
    put_all(dq, to_q);
    put_all(dk, to_k);
    put_all(dv, to_v);
  }

  void swiglu(matrix y, const_matrix gate, const_matrix up) {
    for (index_t i = 0; i < y.size(); ++i)
      y.data[i] = static_cast<Scalar>(gate.data[i] * sigmoid(gate.data[i]) * up.data[i]);
  }
  void swiglu_backward(sink dgate, sink dup, const_matrix dy, const_matrix gate, const_matrix up) {
    for (index_t n = 0; n < dy.rows(); ++n)
      for (index_t f = 0; f < dy.cols(); ++f) {
        const real g = gate(n, f), s = sigmoid(g);
        if (dgate) put(dgate, n, f, dy(n, f) * up(n, f) * s * (1 + g * (1 - s)));
        if (dup) put(dup, n, f, dy(n, f) * g * s);
      }
  }
  void silu(matrix y, const_matrix x) {
    for (index_t i = 0; i < y.size(); ++i) y.data[i] = static_cast<Scalar>(x.data[i] * sigmoid(x.data[i]));
  }
  void silu_backward(sink dx, const_matrix dy, const_matrix x) {
    for (index_t n = 0; n < dy.rows(); ++n)
      for (index_t d = 0; d < dy.cols(); ++d) {
        const real s = sigmoid(x(n, d));
        put(dx, n, d, dy(n, d) * s * (1 + x(n, d) * (1 - s)));
      }
  }
  void gelu(matrix y, const_matrix x) {
    for (index_t i = 0; i < y.size(); ++i) y.data[i] = static_cast<Scalar>(x.data[i] * normal_below(x.data[i]));
  }
  void gelu_backward(sink dx, const_matrix dy, const_matrix x) {
    for (index_t n = 0; n < dy.rows(); ++n)
      for (index_t d = 0; d < dy.cols(); ++d) {
        const real v = x(n, d), density = std::exp(-v * v / 2) / std::sqrt(2 * std::numbers::pi_v<real>);
        put(dx, n, d, dy(n, d) * (normal_below(v) + v * density));
      }
  }
  void leaky_relu(matrix y, const_matrix x, double slope) {
    for (index_t i = 0; i < y.size(); ++i)
      y.data[i] = static_cast<Scalar>(x.data[i] > 0 ? real{x.data[i]} : static_cast<real>(slope) * x.data[i]);
  }
  void leaky_relu_backward(sink dx, const_matrix dy, const_matrix x, double slope) {
    for (index_t n = 0; n < dy.rows(); ++n)
      for (index_t d = 0; d < dy.cols(); ++d)
        put(dx, n, d, x(n, d) > 0 ? real{dy(n, d)} : static_cast<real>(slope) * dy(n, d));
  }
  void multiply(matrix y, const_matrix a, const_matrix b) {
    for (index_t i = 0; i < y.size(); ++i) y.data[i] = static_cast<Scalar>(a.data[i] * b.data[i]);
  }
  void multiply_backward(sink da, sink db, const_matrix dy, const_matrix a, const_matrix b) {
    for (index_t n = 0; n < dy.rows(); ++n)
      for (index_t d = 0; d < dy.cols(); ++d) {
        if (da) put(da, n, d, dy(n, d) * b(n, d));
        if (db) put(db, n, d, dy(n, d) * a(n, d));
      }
  }
  void dropout(sink y, const_matrix x, random_key key, double rate, index_t first) {
    for (index_t n = 0; n < x.rows(); ++n)
      for (index_t d = 0; d < x.cols(); ++d) {
        const bool kept = key.uniform(static_cast<std::uint64_t>(first + n * x.cols() + d)) >= rate;
        put(y, n, d, kept ? x(n, d) * static_cast<real>(1 / (1 - rate)) : real{0});
      }
  }
  void add(matrix y, const_matrix a, const_matrix b) {
    for (index_t i = 0; i < y.size(); ++i) y.data[i] = static_cast<Scalar>(a.data[i] + b.data[i]);
  }
  void accumulate(sink dx, const_matrix x) {
    for (index_t n = 0; n < x.rows(); ++n)
      for (index_t d = 0; d < x.cols(); ++d) put(dx, n, d, x(n, d));
  }
  void concatenate(matrix y, const_matrix a, const_matrix b) {
    for (index_t n = 0; n < y.rows(); ++n)
      for (index_t d = 0; d < y.cols(); ++d) y(n, d) = d < a.cols() ? a(n, d) : b(n, d - a.cols());
  }
  void concatenate_backward(sink da, sink db, const_matrix dy) {
    const index_t first = da ? da.into.cols() : dy.cols() - (db ? db.into.cols() : 0);
    for (index_t n = 0; n < dy.rows(); ++n)
      for (index_t d = 0; d < dy.cols(); ++d)
        if (d < first && da)
          put(da, n, d, dy(n, d));
        else if (d >= first && db)
          put(db, n, d - first, dy(n, d));
  }
  void timestep_embedding(matrix y, const_real_vector t, double max_period) {
    const index_t half = y.cols() / 2;
    for (index_t i = 0; i < y.rows(); ++i)
      for (index_t k = 0; k < half; ++k) {
        const double angle =
            static_cast<double>(t[i]) * std::pow(max_period, -static_cast<double>(k) / static_cast<double>(half));
        y(i, k) = static_cast<Scalar>(static_cast<real>(std::cos(angle)));
        y(i, half + k) = static_cast<Scalar>(static_cast<real>(std::sin(angle)));
      }
  }
  void gather_rows(matrix y, const_matrix x, view<const token_t, 1> rows) {
    for (index_t i = 0; i < y.rows(); ++i)
      for (index_t d = 0; d < y.cols(); ++d) y(i, d) = x(rows[i], d);
  }
  void gather_rows_backward(sink dx, const_matrix dy, view<const token_t, 1> rows) {
    std::vector<real> sums(static_cast<std::size_t>(dx.into.size()));
    const real_matrix to(sums.data(), dx.into.rows(), dx.into.cols());
    for (index_t i = 0; i < dy.rows(); ++i)
      for (index_t d = 0; d < dy.cols(); ++d) to(rows[i], d) += dy(i, d);
    put_all(dx, to);
  }
  void scatter_rows(matrix y, const_matrix x, const_matrix s, view<const token_t, 1> rows) {
    copy(y.flat(), x.flat());
    for (index_t i = 0; i < s.rows(); ++i)
      for (index_t d = 0; d < y.cols(); ++d) y(rows[i], d) = s(i, d);
  }
  void write_rows(matrix y, const_matrix s, view<const token_t, 1> rows) {
    for (index_t i = 0; i < s.rows(); ++i)
      for (index_t d = 0; d < y.cols(); ++d) y(rows[i], d) = s(i, d);
  }
  void scatter_rows_backward(sink dx, sink ds, const_matrix dy, view<const token_t, 1> rows) {
    std::vector<bool> replaced(static_cast<std::size_t>(dy.rows()));
    for (index_t i = 0; i < rows.size(); ++i) replaced[static_cast<std::size_t>(rows[i])] = true;
    for (index_t n = 0; dx && n < dy.rows(); ++n)
      for (index_t d = 0; d < dy.cols(); ++d)
        put(dx, n, d, replaced[static_cast<std::size_t>(n)] ? real{0} : real{dy(n, d)});
    for (index_t i = 0; ds && i < rows.size(); ++i)
      for (index_t d = 0; d < dy.cols(); ++d) put(ds, i, d, dy(rows[i], d));
  }

  void patchify(matrix patches, const_real_vector values, view<const image_place, 1> images, patch_shape patch) {
    each_patch_value(images, patch, [&](index_t row, index_t col, index_t value) {
      patches(row, col) = static_cast<Scalar>(values[value]);
    });
  }
  void unpatchify(vector values, const_matrix patches, view<const image_place, 1> images, patch_shape patch) {
    each_patch_value(images, patch,
                     [&](index_t row, index_t col, index_t value) { values[value] = patches(row, col); });
  }
  void unpatchify_backward(sink dpatches, const_vector dvalues, view<const image_place, 1> images, patch_shape patch) {
    each_patch_value(images, patch,
                     [&](index_t row, index_t col, index_t value) { put(dpatches, row, col, dvalues[value]); });
  }
  void mix(real_vector out, const_real_vector a, const_real_vector b, const_real_matrix coefficients,
           view<const image_place, 1> images) {
    for (index_t i = 0; i < images.size(); ++i)
      for (index_t e = 0; e < images[i].shape.size(); ++e) {
        const index_t at = images[i].first_value + e;
        out[at] = coefficients(i, 0) * a[at] + coefficients(i, 1) * b[at];
      }
  }
  void clamp(real_vector x, double low, double high) {
    for (index_t i = 0; i < x.size(); ++i) {
      if (x[i] < static_cast<real>(low)) x[i] = static_cast<real>(low);
      if (x[i] > static_cast<real>(high)) x[i] = static_cast<real>(high);
    }
  }
  void match_deviation(real_vector x, const_real_vector reference, view<const image_place, 1> images, double strength) {
    for (index_t i = 0; i < images.size(); ++i) {
      const index_t at = images[i].first_value, end = at + images[i].shape.size();
      const real own = deviation(x, at, end);
      if (own == 0) continue;
      const real by =
          static_cast<real>(strength) * (deviation(reference, at, end) / own) + static_cast<real>(1 - strength);
      for (index_t e = at; e < end; ++e) x[e] *= by;
    }
  }
  void dynamic_threshold(real_vector x, view<const image_place, 1> images, double quantile, double floor) {
    for (index_t i = 0; i < images.size(); ++i) {
      const index_t at = images[i].first_value, end = at + images[i].shape.size();
      std::vector<real> sizes;
      for (index_t e = at; e < end; ++e) sizes.push_back(std::abs(x[e]));
      if (sizes.empty()) continue;
      // What is no number counts as larger than any.
      std::sort(sizes.begin(), sizes.end(), [](real u, real v) { return u < v || (!std::isnan(u) && std::isnan(v)); });
      const double place = quantile * static_cast<double>(sizes.size() - 1);
      const std::size_t below = static_cast<std::size_t>(place), above = std::min(below + 1, sizes.size() - 1);
      const real part = static_cast<real>(place - static_cast<double>(below));
      const real most = std::max(static_cast<real>(floor), sizes[below] + part * (sizes[above] - sizes[below]));
      clamp(x.slice(at, end), -most, most);
      for (index_t e = at; e < end; ++e) x[e] *= static_cast<real>(floor) / most;
    }
  }
  void scaled_error(real_vector out, const_real_vector error, const_real_vector a, const_real_vector b,
                    view<const image_place, 1> images, double absolute, double relative) {
    for (index_t i = 0; i < images.size(); ++i) {
      const index_t at = images[i].first_value, end = at + images[i].shape.size();
      real squares = 0;
      for (index_t e = at; e < end; ++e) {
        const real largest = std::max(std::abs(a[e]), std::abs(b[e]));
        const real share = error[e] / (static_cast<real>(absolute) + static_cast<real>(relative) * largest);
        squares += share * share;
      }
      out[i] = std::sqrt(squares / static_cast<real>(end - at));
    }
  }

  void cross_entropy(real_vector loss, real_vector log_z, matrix dx, real_matrix dw, const_matrix x, const_matrix w,
                     view<const token_t, 1> targets, const_real_vector weights, double z_weight, double smoothing) {
    // What the smoothed target asks of every token, and of the one that is meant.
    const double even = smoothing / static_cast<double>(w.rows());
    const real share = static_cast<real>(even), aim = static_cast<real>(1 - even * static_cast<double>(w.rows() - 1));
    std::vector<real> logits(static_cast<std::size_t>(w.rows())), row(static_cast<std::size_t>(x.cols()));
    for (index_t n = 0; n < x.rows(); ++n) {
      loss[n] = log_z[n] = 0;
      std::fill(row.begin(), row.end(), real{0});
      if (targets[n] >= 0) {
        real top = -INFINITY, total = 0, all = 0;
        for (index_t o = 0; o < w.rows(); ++o) {
          logits[static_cast<std::size_t>(o)] = dot(x, n, w, o);
          top = std::max(top, logits[static_cast<std::size_t>(o)]);
          all += logits[static_cast<std::size_t>(o)];
        }
        for (real logit : logits) total += std::exp(logit - top);
        log_z[n] = top + std::log(total);
        const real hit = logits[static_cast<std::size_t>(targets[n])];
        loss[n] = log_z[n] - hit;
        if (smoothing > 0) loss[n] += static_cast<real>(smoothing) * (hit - all / static_cast<real>(w.rows()));
        for (index_t o = 0; dx && o < w.rows(); ++o) {
          const real p = std::exp(logits[static_cast<std::size_t>(o)] - log_z[n]);
          const real dlogit =
              weights[n] * (p * (1 + 2 * static_cast<real>(z_weight) * log_z[n]) - (o == targets[n] ? aim : share));
          for (index_t d = 0; d < x.cols(); ++d) {
            row[static_cast<std::size_t>(d)] += dlogit * w(o, d);
            if (dw) dw(o, d) += dlogit * x(n, d);
          }
        }
      }
      for (index_t d = 0; dx && d < x.cols(); ++d) dx(n, d) = static_cast<Scalar>(row[static_cast<std::size_t>(d)]);
    }
  }
  void pointwise_error(error_kind kind, real_vector loss, sink dprediction, const_vector prediction,
                       const_real_vector target, view<const image_place, 1> images, const_real_vector weights) {
    for (index_t i = 0; i < images.size(); ++i) {
      const real count = static_cast<real>(images[i].shape.size());
      real sum = 0;
      for (index_t e = 0; e < images[i].shape.size(); ++e) {
        const index_t at = images[i].first_value + e;
        const error_at error = error_of(kind, prediction[at], target[at]);
        sum += error.value;
        if (dprediction) put(dprediction, 0, at, weights[i] * error.slope / count);
      }
      loss[i] = sum / count;
    }
  }

  void gaussian_sample(matrix z, real_vector kl, const_matrix moments, const_real_matrix noise,
                       view<const key_interval, 1> ranges) {
    const index_t channels = z.cols();
    for (index_t n = 0; n < z.rows(); ++n)
      for (index_t c = 0; c < channels; ++c) {
        const real deviation = std::exp(log_variance(moments, n, c) / 2);
        z(n, c) = static_cast<Scalar>(moments(n, c) + (noise ? deviation * noise(n, c) : real{0}));
      }
    for (index_t i = 0; i < ranges.size(); ++i) {
      real sum = 0;
      each_of_group(ranges[i], 0, channels, [&](index_t n, index_t c) {
        const real mean = moments(n, c), wide = log_variance(moments, n, c);
        sum += (mean * mean + std::exp(wide) - 1 - wide) / 2;
      });
      kl[i] = sum;
    }
  }
  void gaussian_sample_backward(sink dmoments, const_matrix dz, const_matrix moments, const_real_matrix noise,
                                view<const key_interval, 1> ranges, const_real_vector weights) {
    const index_t channels = moments.cols() / 2;
    for (index_t i = 0; i < ranges.size(); ++i)
      each_of_group(ranges[i], 0, channels, [&](index_t n, index_t c) {
        const real wide = log_variance(moments, n, c), weight = weights ? weights[i] : real{0};
        const real pull = dz ? real{dz(n, c)} : real{0}, deviation = std::exp(wide / 2);
        const bool inside = wide == moments(n, channels + c) || std::isnan(wide);
        const real along = noise ? pull * noise(n, c) * deviation / 2 : real{0};
        put(dmoments, n, c, pull + weight * moments(n, c));
        put(dmoments, n, channels + c, inside ? along + weight * (std::exp(wide) - 1) / 2 : real{0});
      });
  }
  void nearest_rows(view<token_t, 1> out, const_matrix x, const_matrix table) {
    for (index_t n = 0; n < x.rows(); ++n) {
      real least = INFINITY;
      bool finite = true;
      out[n] = 0;
      for (index_t v = 0; v < table.rows(); ++v) {
        real distance = 0;
        for (index_t d = 0; d < x.cols(); ++d) distance += (x(n, d) - table(v, d)) * (x(n, d) - table(v, d));
        finite = finite && std::isfinite(distance);
        if (distance < least) {
          least = distance;
          out[n] = static_cast<token_t>(v);
        }
      }
      if (!finite) out[n] = 0;
    }
  }

  void sample_tokens(view<token_t, 1> out, const_real_matrix logits, const text_sampling& settings, const_real_vector u,
                     view<const token_t, 2> forbidden) {
    const index_t vocabulary = logits.cols();
    std::vector<token_t> order(static_cast<std::size_t>(vocabulary));
    std::vector<double> reach(static_cast<std::size_t>(vocabulary));
    for (index_t n = 0; n < out.size(); ++n)
      out[n] = sample_token(const_real_vector(logits.row(n), vocabulary), settings, static_cast<double>(u[n]),
                            {forbidden.row(n), forbidden.cols()}, {order.data(), reach.data()});
  }

  void sum_of_squares(real_vector out, const_real_vector x) {
    real sum = 0;
    for (index_t i = 0; i < x.size(); ++i) sum += x[i] * x[i];
    out[0] = sum;
  }
  void adamw(real_vector w, real_vector m, real_vector v, real_vector ema, vector copy, const_real_vector g,
             const_real_vector norm_squared, adamw_step s) {
    const double norm = std::sqrt(static_cast<double>(norm_squared[0]));
    const double clip = s.max_norm > 0 && norm > s.max_norm ? s.max_norm / norm : 1.0;
    for (index_t i = 0; i < w.size(); ++i) {
      const double gradient = clip * static_cast<double>(g[i]);
      m[i] = static_cast<real>(s.beta1 * static_cast<double>(m[i]) + (1 - s.beta1) * gradient);
      v[i] = static_cast<real>(s.beta2 * static_cast<double>(v[i]) + (1 - s.beta2) * gradient * gradient);
      const double m_hat = static_cast<double>(m[i]) / s.correction1, v_hat = static_cast<double>(v[i]) / s.correction2;
      w[i] = static_cast<real>(static_cast<double>(w[i]) * (1 - s.rate * s.weight_decay) -
                               s.rate * m_hat / (std::sqrt(v_hat) + s.epsilon));
      if (ema)
        ema[i] = static_cast<real>(s.ema_decay * static_cast<double>(ema[i]) +
                                   (1 - s.ema_decay) * static_cast<double>(w[i]));
      if (copy) copy[i] = static_cast<Scalar>(w[i]);
    }
  }

 private:
  static void put(sink s, index_t r, index_t c, real value) {
    s.into(r, c) = static_cast<Scalar>(s.add ? real{s.into(r, c)} + value : value);
  }
  static void put_all(sink s, const_real_matrix values) {
    for (index_t r = 0; s && r < values.rows(); ++r)
      for (index_t c = 0; c < values.cols(); ++c) put(s, r, c, values(r, c));
  }
  /// Row n of x times row o of w.
  static real dot(const_matrix x, index_t n, const_matrix w, index_t o) {
    real sum = 0;
    for (index_t i = 0; i < x.cols(); ++i) sum += x(n, i) * w(o, i);
    return sum;
  }
  /// Calls f(row, column) for the rows of an image and the columns of its group g.
  template <class F>
  static void each_of_group(key_interval rows, index_t g, index_t width, F f) {
    for (index_t n = rows.begin; n < rows.end; ++n)
      for (index_t c = g * width; c < (g + 1) * width; ++c) f(n, c);
  }
  /// The row whose value goes to y(m, c) of a pooling, or -1 where there is none.
  static token_t pooled_row(const_matrix x, view<const token_t, 2> taps, index_t m, index_t c) {
    token_t row = -1;
    for (index_t k = 0; k < taps.cols(); ++k)
      if (const token_t n = taps(m, k); n >= 0 && (row < 0 || outranks(real{x(n, c)}, real{x(row, c)}))) row = n;
    return row;
  }
  struct error_at {
    real value, slope;
  };
  static error_at error_of(error_kind kind, real p, real t) {
    switch (kind) {
      case error_kind::squared:
        return {(p - t) * (p - t), 2 * (p - t)};
      case error_kind::absolute:
        return {std::abs(p - t), static_cast<real>(p > t) - static_cast<real>(p < t)};
      case error_kind::hinge:
        return 1 - t * p > 0 ? error_at{1 - t * p, -t} : error_at{0, 0};
      case error_kind::linear:
        break;
    }
    return {-t * p, -t};
  }
  /// Of row n and channel c, clamped; what is no number stays it.
  static real log_variance(const_matrix moments, index_t n, index_t c) {
    const real v = moments(n, moments.cols() / 2 + c);
    return v < real{least_log_variance}  ? real{least_log_variance}
           : v > real{most_log_variance} ? real{most_log_variance}
                                         : v;
  }
  static real sigmoid(real x) { return 1 / (1 + std::exp(-x)); }
  /// The probability that a standard normal lies below x.
  static real normal_below(real x) { return std::erfc(-x / std::numbers::sqrt2_v<real>) / 2; }
  /// Of values [begin, end), over their number. Counted from the first of them, so that equal values give exactly 0.
  static real deviation(const_real_vector x, index_t begin, index_t end) {
    const real count = static_cast<real>(end - begin);
    real sum = 0, squares = 0;
    for (index_t e = begin; e < end; ++e) sum += x[e] - x[begin];
    for (index_t e = begin; e < end; ++e) squares += (x[e] - x[begin] - sum / count) * (x[e] - x[begin] - sum / count);
    return begin < end ? std::sqrt(squares / count) : real{0};
  }
  static bool visible(key_intervals keys, index_t n, index_t j) {
    for (index_t i = 0; i < keys.cols(); ++i)
      if (keys(n, i).contains(j)) return true;
    return false;
  }
  static real score(const_matrix q, const_matrix k, index_t n, index_t h, index_t j, index_t g, attention_shape shape) {
    real sum = 0;
    for (index_t c = 0; c < shape.head_width; ++c)
      sum += q(n, h * shape.head_width + c) * k(j, g * shape.head_width + c);
    return sum * static_cast<real>(shape.scale);
  }
  template <class F>
  static void each_patch_value(view<const image_place, 1> images, patch_shape p, F f) {
    for (index_t i = 0; i < images.size(); ++i) {
      const image_shape s = images[i].shape;
      const index_t down = s.height / p.height, across = s.width / p.width;
      for (index_t c = 0; c < s.channels; ++c)
        for (index_t z = 0; z < s.depth; ++z)
          for (index_t y = 0; y < s.height; ++y)
            for (index_t x = 0; x < s.width; ++x)
              f(images[i].first_patch + (z / p.depth * down + y / p.height) * across + x / p.width,
                ((c * p.depth + z % p.depth) * p.height + y % p.height) * p.width + x % p.width,
                images[i].first_value + ((c * s.depth + z) * s.height + y) * s.width + x);
    }
  }

  index_t allocations_ = 0;
};

static_assert(execution_policy<reference_exec<double>>);
static_assert(execution_policy<reference_exec<bf16>>);

}  // namespace transfusion
