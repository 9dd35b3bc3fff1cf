// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstring>
#include <new>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/exec/concepts.hpp"

namespace transfusion {

/// The oracle: every operation as its formula reads, one loop inside another, on the host. Slow and easy to check.
/// The other policies are judged against `reference_exec<double>`.
template <class Scalar = double>
class reference_exec {
 public:
  using scalar = Scalar;
  using matrix = view<Scalar, 2>;
  using const_matrix = view<const Scalar, 2>;
  using vector = view<Scalar, 1>;
  using const_vector = view<const Scalar, 1>;
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
  void fill(vector x, double value) {
    for (index_t i = 0; i < x.size(); ++i) x[i] = static_cast<Scalar>(value);
  }
  void copy(vector y, const_vector x) {
    for (index_t i = 0; i < y.size(); ++i) y[i] = x[i];
  }

  void normal(vector x, random_key key, double scale, index_t first = 0) {
    double four[4] = {};
    for (index_t i = 0; i < x.size(); ++i) {
      normal_block(key, static_cast<std::uint64_t>((first + i) / 4), four);
      x[i] = static_cast<Scalar>(scale * four[(first + i) % 4]);
    }
  }

  void linear(matrix y, const_matrix x, const_matrix w, const_vector b) {
    for (index_t n = 0; n < y.rows(); ++n)
      for (index_t o = 0; o < y.cols(); ++o) {
        Scalar sum = b ? b[o] : Scalar{0};
        for (index_t i = 0; i < x.cols(); ++i) sum += x(n, i) * w(o, i);
        y(n, o) = sum;
      }
  }
  void linear_backward(sink dx, matrix dw, vector db, const_matrix dy, const_matrix x, const_matrix w) {
    for (index_t n = 0; dx && n < dy.rows(); ++n)
      for (index_t i = 0; i < w.cols(); ++i) {
        Scalar sum = 0;
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
      for (index_t d = 0; d < y.cols(); ++d) y(n, d) = ids[n] < 0 ? Scalar{0} : table(ids[n], d);
  }
  void embedding_backward(matrix dtable, const_matrix dy, view<const token_t, 1> ids) {
    for (index_t n = 0; n < dy.rows(); ++n)
      for (index_t d = 0; ids[n] >= 0 && d < dy.cols(); ++d) dtable(ids[n], d) += dy(n, d);
  }

  void rms_norm(matrix y, vector inverse_rms, const_matrix x, const_vector w, double epsilon) {
    for (index_t n = 0; n < x.rows(); ++n) {
      Scalar squares = 0;
      for (index_t d = 0; d < x.cols(); ++d) squares += x(n, d) * x(n, d);
      inverse_rms[n] = 1 / std::sqrt(squares / static_cast<Scalar>(x.cols()) + static_cast<Scalar>(epsilon));
      for (index_t d = 0; d < x.cols(); ++d) y(n, d) = x(n, d) * inverse_rms[n] * w[d];
    }
  }
  void add_rms_norm(matrix sum, matrix y, vector inverse_rms, const_matrix a, const_matrix b, const_vector w,
                    double epsilon) {
    add(sum, a, b);
    rms_norm(y, inverse_rms, sum, w, epsilon);
  }
  void rms_norm_backward(sink dx, vector dw, const_matrix dy, const_matrix x, const_vector w,
                         const_vector inverse_rms) {
    for (index_t n = 0; n < x.rows(); ++n) {
      const Scalar r = inverse_rms[n];
      Scalar dot = 0;
      for (index_t d = 0; d < x.cols(); ++d) dot += dy(n, d) * w[d] * x(n, d);
      for (index_t d = 0; d < x.cols(); ++d) {
        if (dw) dw[d] += dy(n, d) * x(n, d) * r;
        if (dx) put(dx, n, d, r * dy(n, d) * w[d] - r * r * r * x(n, d) * dot / static_cast<Scalar>(x.cols()));
      }
    }
  }

  void rope_table(matrix table, view<const token_t, 1> positions, double theta) {
    const index_t width = table.cols();
    for (index_t n = 0; n < table.rows(); ++n)
      for (index_t i = 0; i < width / 2; ++i) {
        const double angle = positions[n] * std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(width));
        table(n, 2 * i) = static_cast<Scalar>(std::cos(angle));
        table(n, 2 * i + 1) = static_cast<Scalar>(std::sin(angle));
      }
  }
  void rope(matrix x, const_matrix table, double direction) {
    const index_t width = table.cols();
    for (index_t n = 0; n < x.rows(); ++n)
      for (index_t c = 0; c < x.cols(); c += 2) {
        const Scalar cosine = table(n, c % width), sine = static_cast<Scalar>(direction) * table(n, c % width + 1);
        const Scalar re = x(n, c), im = x(n, c + 1);
        x(n, c) = re * cosine - im * sine;
        x(n, c + 1) = re * sine + im * cosine;
      }
  }

  void attention(matrix o, matrix lse, const_matrix q, const_matrix k, const_matrix v, key_intervals keys,
                 attention_shape shape) {
    std::vector<Scalar> p(static_cast<std::size_t>(k.rows()));
    for (index_t n = 0; n < q.rows(); ++n)
      for (index_t h = 0; h < shape.heads; ++h) {
        const index_t g = h / (shape.heads / shape.kv_heads), width = shape.head_width;
        lse(n, h) = -INFINITY;
        Scalar top = -INFINITY, sum = 0;
        for (index_t j = 0; j < k.rows(); ++j) {
          if (!visible(keys, n, j)) continue;
          p[static_cast<std::size_t>(j)] = score(q, k, n, h, j, g, shape);
          top = std::max(top, p[static_cast<std::size_t>(j)]);
        }
        for (index_t c = 0; c < width; ++c) o(n, h * width + c) = 0;
        if (top == -INFINITY) continue;
        for (index_t j = 0; j < k.rows(); ++j)
          if (visible(keys, n, j)) sum += std::exp(p[static_cast<std::size_t>(j)] - top);
        lse(n, h) = top + std::log(sum);
        for (index_t j = 0; j < k.rows(); ++j) {
          if (!visible(keys, n, j)) continue;
          const Scalar weight = std::exp(p[static_cast<std::size_t>(j)] - lse(n, h));
          for (index_t c = 0; c < width; ++c) o(n, h * width + c) += weight * v(j, g * width + c);
        }
      }
  }
  void attention_backward(sink dq, sink dk, sink dv, const_matrix d_o, const_matrix o, const_matrix lse, const_matrix q,
                          const_matrix k, const_matrix v, key_intervals keys, attention_shape shape) {
    for (sink* s : {&dq, &dk, &dv})
      if (*s && !s->add) fill(s->into.flat(), 0);
    const index_t width = shape.head_width;
    for (index_t n = 0; n < q.rows(); ++n)
      for (index_t h = 0; h < shape.heads; ++h) {
        const index_t g = h / (shape.heads / shape.kv_heads);
        Scalar delta = 0;
        for (index_t c = 0; c < width; ++c) delta += d_o(n, h * width + c) * o(n, h * width + c);
        for (index_t j = 0; j < k.rows(); ++j) {
          if (!visible(keys, n, j)) continue;
          const Scalar p = std::exp(score(q, k, n, h, j, g, shape) - lse(n, h));
          Scalar dp = 0;
          for (index_t c = 0; c < width; ++c) dp += d_o(n, h * width + c) * v(j, g * width + c);
          const Scalar ds = p * (dp - delta) * static_cast<Scalar>(shape.scale);
          for (index_t c = 0; c < width; ++c) {
            if (dv) dv.into(j, g * width + c) += p * d_o(n, h * width + c);
            if (dq) dq.into(n, h * width + c) += ds * k(j, g * width + c);
            if (dk) dk.into(j, g * width + c) += ds * q(n, h * width + c);
          }
        }
      }
  }

  void swiglu(matrix y, const_matrix gate, const_matrix up) {
    for (index_t i = 0; i < y.size(); ++i) y.data[i] = gate.data[i] * sigmoid(gate.data[i]) * up.data[i];
  }
  void swiglu_backward(sink dgate, sink dup, const_matrix dy, const_matrix gate, const_matrix up) {
    for (index_t n = 0; n < dy.rows(); ++n)
      for (index_t f = 0; f < dy.cols(); ++f) {
        const Scalar g = gate(n, f), s = sigmoid(g);
        if (dgate) put(dgate, n, f, dy(n, f) * up(n, f) * s * (1 + g * (1 - s)));
        if (dup) put(dup, n, f, dy(n, f) * g * s);
      }
  }
  void silu(matrix y, const_matrix x) {
    for (index_t i = 0; i < y.size(); ++i) y.data[i] = x.data[i] * sigmoid(x.data[i]);
  }
  void silu_backward(sink dx, const_matrix dy, const_matrix x) {
    for (index_t n = 0; n < dy.rows(); ++n)
      for (index_t d = 0; d < dy.cols(); ++d) {
        const Scalar s = sigmoid(x(n, d));
        put(dx, n, d, dy(n, d) * s * (1 + x(n, d) * (1 - s)));
      }
  }
  void add(matrix y, const_matrix a, const_matrix b) {
    for (index_t i = 0; i < y.size(); ++i) y.data[i] = a.data[i] + b.data[i];
  }
  void accumulate(sink dx, const_matrix x) {
    for (index_t n = 0; n < x.rows(); ++n)
      for (index_t d = 0; d < x.cols(); ++d) put(dx, n, d, x(n, d));
  }
  void timestep_embedding(matrix y, const_vector t, double max_period) {
    const index_t half = y.cols() / 2;
    for (index_t i = 0; i < y.rows(); ++i)
      for (index_t k = 0; k < half; ++k) {
        const double angle =
            static_cast<double>(t[i]) * std::pow(max_period, -static_cast<double>(k) / static_cast<double>(half));
        y(i, k) = static_cast<Scalar>(std::cos(angle));
        y(i, half + k) = static_cast<Scalar>(std::sin(angle));
      }
  }
  void gather_rows(matrix y, const_matrix x, view<const token_t, 1> rows) {
    for (index_t i = 0; i < y.rows(); ++i)
      for (index_t d = 0; d < y.cols(); ++d) y(i, d) = x(rows[i], d);
  }
  void gather_rows_backward(sink dx, const_matrix dy, view<const token_t, 1> rows) {
    if (!dx.add) fill(dx.into.flat(), 0);
    for (index_t i = 0; i < dy.rows(); ++i)
      for (index_t d = 0; d < dy.cols(); ++d) dx.into(rows[i], d) += dy(i, d);
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
        put(dx, n, d, replaced[static_cast<std::size_t>(n)] ? Scalar{0} : dy(n, d));
    for (index_t i = 0; ds && i < rows.size(); ++i)
      for (index_t d = 0; d < dy.cols(); ++d) put(ds, i, d, dy(rows[i], d));
  }

  void patchify(matrix patches, const_vector values, view<const image_place, 1> images, index_t patch) {
    each_patch_value(images, patch,
                     [&](index_t row, index_t col, index_t value) { patches(row, col) = values[value]; });
  }
  void unpatchify(vector values, const_matrix patches, view<const image_place, 1> images, index_t patch) {
    each_patch_value(images, patch,
                     [&](index_t row, index_t col, index_t value) { values[value] = patches(row, col); });
  }
  void mix(vector out, const_vector a, const_vector b, const_matrix coefficients, view<const image_place, 1> images) {
    for (index_t i = 0; i < images.size(); ++i)
      for (index_t e = 0; e < images[i].shape.size(); ++e) {
        const index_t at = images[i].first_value + e;
        out[at] = coefficients(i, 0) * a[at] + coefficients(i, 1) * b[at];
      }
  }
  void clamp(vector x, double low, double high) {
    for (index_t i = 0; i < x.size(); ++i) {
      if (x[i] < static_cast<Scalar>(low)) x[i] = static_cast<Scalar>(low);
      if (x[i] > static_cast<Scalar>(high)) x[i] = static_cast<Scalar>(high);
    }
  }

  void cross_entropy(vector loss, vector log_z, matrix dx, matrix dw, const_matrix x, const_matrix w,
                     view<const token_t, 1> targets, const_vector weights, double z_weight) {
    std::vector<Scalar> logits(static_cast<std::size_t>(w.rows()));
    if (dx) fill(dx.flat(), 0);
    for (index_t n = 0; n < x.rows(); ++n) {
      loss[n] = log_z[n] = 0;
      if (targets[n] < 0) continue;
      Scalar top = -INFINITY, sum = 0;
      for (index_t o = 0; o < w.rows(); ++o) {
        Scalar logit = 0;
        for (index_t d = 0; d < x.cols(); ++d) logit += x(n, d) * w(o, d);
        logits[static_cast<std::size_t>(o)] = logit;
        top = std::max(top, logit);
      }
      for (Scalar logit : logits) sum += std::exp(logit - top);
      log_z[n] = top + std::log(sum);
      loss[n] = log_z[n] - logits[static_cast<std::size_t>(targets[n])];
      for (index_t o = 0; dx && o < w.rows(); ++o) {
        const Scalar p = std::exp(logits[static_cast<std::size_t>(o)] - log_z[n]);
        const Scalar dlogit = weights[n] * (p * (1 + 2 * static_cast<Scalar>(z_weight) * log_z[n]) -
                                            static_cast<Scalar>(o == targets[n] ? 1 : 0));
        for (index_t d = 0; d < x.cols(); ++d) {
          dx(n, d) += dlogit * w(o, d);
          if (dw) dw(o, d) += dlogit * x(n, d);
        }
      }
    }
  }
  void squared_error(vector loss, sink dprediction, const_vector prediction, const_vector target,
                     view<const image_place, 1> images, const_vector weights) {
    for (index_t i = 0; i < images.size(); ++i) {
      const Scalar count = static_cast<Scalar>(images[i].shape.size());
      Scalar sum = 0;
      for (index_t e = 0; e < images[i].shape.size(); ++e) {
        const index_t at = images[i].first_value + e;
        const Scalar difference = prediction[at] - target[at];
        sum += difference * difference;
        if (dprediction) put(dprediction, 0, at, 2 * weights[i] * difference / count);
      }
      loss[i] = sum / count;
    }
  }

  void sum_of_squares(vector out, const_vector x) {
    Scalar sum = 0;
    for (index_t i = 0; i < x.size(); ++i) sum += x[i] * x[i];
    out[0] = sum;
  }
  void adamw(vector w, vector m, vector v, vector ema, const_vector g, const_vector norm_squared, adamw_step s) {
    const double norm = std::sqrt(static_cast<double>(norm_squared[0]));
    const double clip = s.max_norm > 0 && norm > s.max_norm ? s.max_norm / norm : 1.0;
    for (index_t i = 0; i < w.size(); ++i) {
      const double gradient = clip * static_cast<double>(g[i]);
      m[i] = static_cast<Scalar>(s.beta1 * static_cast<double>(m[i]) + (1 - s.beta1) * gradient);
      v[i] = static_cast<Scalar>(s.beta2 * static_cast<double>(v[i]) + (1 - s.beta2) * gradient * gradient);
      const double m_hat = static_cast<double>(m[i]) / s.correction1, v_hat = static_cast<double>(v[i]) / s.correction2;
      w[i] = static_cast<Scalar>(static_cast<double>(w[i]) * (1 - s.rate * s.weight_decay) -
                                 s.rate * m_hat / (std::sqrt(v_hat) + s.epsilon));
      if (ema)
        ema[i] = static_cast<Scalar>(s.ema_decay * static_cast<double>(ema[i]) +
                                     (1 - s.ema_decay) * static_cast<double>(w[i]));
    }
  }

 private:
  static void put(sink s, index_t r, index_t c, Scalar value) {
    if (s.add)
      s.into(r, c) += value;
    else
      s.into(r, c) = value;
  }
  static Scalar sigmoid(Scalar x) { return 1 / (1 + std::exp(-x)); }
  static bool visible(key_intervals keys, index_t n, index_t j) {
    for (index_t i = 0; i < keys.cols(); ++i)
      if (keys(n, i).contains(j)) return true;
    return false;
  }
  static Scalar score(const_matrix q, const_matrix k, index_t n, index_t h, index_t j, index_t g,
                      attention_shape shape) {
    Scalar sum = 0;
    for (index_t c = 0; c < shape.head_width; ++c)
      sum += q(n, h * shape.head_width + c) * k(j, g * shape.head_width + c);
    return sum * static_cast<Scalar>(shape.scale);
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

}  // namespace transfusion
