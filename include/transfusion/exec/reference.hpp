// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <type_traits>
#include <vector>

#include "transfusion/core/bf16.hpp"
#include "transfusion/core/error.hpp"
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

  void rope_table(real_matrix table, view<const token_t, 1> positions, double theta) {
    const index_t width = table.cols();
    for (index_t n = 0; n < table.rows(); ++n)
      for (index_t i = 0; i < width / 2; ++i) {
        const double angle = positions[n] * std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(width));
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
  void add(matrix y, const_matrix a, const_matrix b) {
    for (index_t i = 0; i < y.size(); ++i) y.data[i] = static_cast<Scalar>(a.data[i] + b.data[i]);
  }
  void accumulate(sink dx, const_matrix x) {
    for (index_t n = 0; n < x.rows(); ++n)
      for (index_t d = 0; d < x.cols(); ++d) put(dx, n, d, x(n, d));
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

  void patchify(matrix patches, const_real_vector values, view<const image_place, 1> images, index_t patch) {
    each_patch_value(images, patch, [&](index_t row, index_t col, index_t value) {
      patches(row, col) = static_cast<Scalar>(values[value]);
    });
  }
  void unpatchify(vector values, const_matrix patches, view<const image_place, 1> images, index_t patch) {
    each_patch_value(images, patch,
                     [&](index_t row, index_t col, index_t value) { values[value] = patches(row, col); });
  }
  void unpatchify_backward(sink dpatches, const_vector dvalues, view<const image_place, 1> images, index_t patch) {
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

  void cross_entropy(real_vector loss, real_vector log_z, matrix dx, real_matrix dw, const_matrix x, const_matrix w,
                     view<const token_t, 1> targets, const_real_vector weights, double z_weight) {
    std::vector<real> logits(static_cast<std::size_t>(w.rows())), row(static_cast<std::size_t>(x.cols()));
    for (index_t n = 0; n < x.rows(); ++n) {
      loss[n] = log_z[n] = 0;
      std::fill(row.begin(), row.end(), real{0});
      if (targets[n] >= 0) {
        real top = -INFINITY, total = 0;
        for (index_t o = 0; o < w.rows(); ++o) {
          logits[static_cast<std::size_t>(o)] = dot(x, n, w, o);
          top = std::max(top, logits[static_cast<std::size_t>(o)]);
        }
        for (real logit : logits) total += std::exp(logit - top);
        log_z[n] = top + std::log(total);
        loss[n] = log_z[n] - logits[static_cast<std::size_t>(targets[n])];
        for (index_t o = 0; dx && o < w.rows(); ++o) {
          const real p = std::exp(logits[static_cast<std::size_t>(o)] - log_z[n]);
          const real dlogit = weights[n] * (p * (1 + 2 * static_cast<real>(z_weight) * log_z[n]) -
                                            static_cast<real>(o == targets[n] ? 1 : 0));
          for (index_t d = 0; d < x.cols(); ++d) {
            row[static_cast<std::size_t>(d)] += dlogit * w(o, d);
            if (dw) dw(o, d) += dlogit * x(n, d);
          }
        }
      }
      for (index_t d = 0; dx && d < x.cols(); ++d) dx(n, d) = static_cast<Scalar>(row[static_cast<std::size_t>(d)]);
    }
  }
  void squared_error(real_vector loss, sink dprediction, const_vector prediction, const_real_vector target,
                     view<const image_place, 1> images, const_real_vector weights) {
    for (index_t i = 0; i < images.size(); ++i) {
      const real count = static_cast<real>(images[i].shape.size());
      real sum = 0;
      for (index_t e = 0; e < images[i].shape.size(); ++e) {
        const index_t at = images[i].first_value + e;
        const real difference = prediction[at] - target[at];
        sum += difference * difference;
        if (dprediction) put(dprediction, 0, at, 2 * weights[i] * difference / count);
      }
      loss[i] = sum / count;
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
  static real sigmoid(real x) { return 1 / (1 + std::exp(-x)); }
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
  static void each_patch_value(view<const image_place, 1> images, index_t patch, F f) {
    for (index_t i = 0; i < images.size(); ++i) {
      const image_shape s = images[i].shape;
      const index_t across = s.width / patch;
      for (index_t c = 0; c < s.channels; ++c)
        for (index_t y = 0; y < s.height; ++y)
          for (index_t x = 0; x < s.width; ++x)
            f(images[i].first_patch + y / patch * across + x / patch, (c * patch + y % patch) * patch + x % patch,
              images[i].first_value + (c * s.height + y) * s.width + x);
    }
  }

  index_t allocations_ = 0;
};

static_assert(execution_policy<reference_exec<double>>);
static_assert(execution_policy<reference_exec<bf16>>);

}  // namespace transfusion
