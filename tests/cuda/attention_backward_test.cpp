// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_attention_backward
#include <boost/test/unit_test.hpp>

#include <cstddef>

#include "cuda/rounding.hpp"
#include "cuda/tolerances.hpp"
#include "exec/operation_cases.hpp"
#include "transfusion/cuda/attention_backward.cuh"
#include "transfusion/cuda/memory.cuh"
#include "transfusion/exec/memory.hpp"

using namespace operation_cases;

namespace {

/// An array in the device's memory.
template <class T, class Exec>
class on_device {
 public:
  /// Holds no numbers at first.
  on_device(Exec& exec, index_t size) : exec_(exec), memory_(exec, size), size_(static_cast<std::size_t>(size)) {
    const std::vector<unsigned char> no_numbers(size_ * sizeof(T), 0xff);
    exec_.upload(data(), no_numbers.data(), no_numbers.size());
  }
  on_device(Exec& exec, view<const double, 2> x) : on_device(exec, x.size()) {
    std::vector<T> values;
    for (index_t i = 0; i < x.size(); ++i) values.push_back(static_cast<T>(static_cast<float>(x.data[i])));
    exec_.upload(data(), values.data(), size_ * sizeof(T));
  }
  on_device(Exec& exec, view<const T, 2> x, std::nullptr_t) : on_device(exec, x.size()) {
    exec_.upload(data(), x.data, size_ * sizeof(T));
  }

  T* data() const { return memory_.all().data; }
  view<T, 2> matrix(view<const double, 2> like) const { return {data(), like.rows(), like.cols()}; }
  std::vector<T> values() const {
    std::vector<T> x(size_);
    exec_.download(x.data(), data(), size_ * sizeof(T));
    return x;
  }

 private:
  Exec& exec_;
  buffer<Exec, T> memory_;
  std::size_t size_;
};

template <class T>
double rounded(double x) {
  return static_cast<double>(static_cast<float>(static_cast<T>(static_cast<float>(x))));
}

/// One gradient: what the reference made of it, and the sizes of the terms that its error is measured by.
struct gradient {
  view<double, 2> start;  ///< what an adding sink finds
  std::vector<double> expected;
  std::vector<double> terms;        ///< the sum of |a b| over the products that make an element
  std::vector<double> uncertainty;  ///< the same, with the terms of the sums inside a and b made positive
  bool wanted = true, add = false;
};

using reference_type = reference_exec<double>;

/// A drawn call: all operands exact in T, those that nobody may read without numbers.
template <class T>
struct drawn_call {
  reference_type reference;
  trial<reference_type> t;
  index_t rows, keys;
  attention_shape shape;
  view<key_interval, 2> mask;
  view<double, 2> q, k, v, d_o, o, lse;
  gradient dq, dk, dv;

  drawn_call(unsigned seed, attention_shape s, index_t n, index_t m) : t(reference, seed), rows(n), keys(m), shape(s) {
    mask = random_intervals(t, rows, keys);
    if (t.below(7) == 0)
      for (index_t row = 0; row < rows; ++row) mask(row, 0) = key_interval::of(0, keys);
    q = draw(rows, s.heads), d_o = draw(rows, s.heads), k = draw(keys, s.kv_heads), v = draw(keys, s.kv_heads);
    hide_unseen();
    o = t.values(rows, s.heads * s.head_width), lse = t.values(rows, s.heads);
    reference.attention(o, lse, q, k, v, mask, s);
    for (index_t i = 0; i < o.size(); ++i) o.data[i] = rounded<T>(o.data[i]);
    for (index_t i = 0; i < lse.size(); ++i) lse.data[i] = rounded<float>(lse.data[i]);
    start(dq, rows, s.heads), start(dk, keys, s.kv_heads), start(dv, keys, s.kv_heads);
    expect();
  }

  bool sees(index_t row, index_t key) const {
    return mask(row, 0).contains(key) || (mask.cols() == 2 && mask(row, 1).contains(key));
  }

 private:
  view<double, 2> draw(index_t n, index_t heads) {
    auto x = t.values(n, heads * shape.head_width);
    for (index_t i = 0; i < x.size(); ++i) x.data[i] = rounded<T>(x.data[i]);
    return x;
  }
  void hide_unseen() {
    std::vector<bool> used(static_cast<std::size_t>(keys));
    for (index_t row = 0; row < rows; ++row) {
      bool any = false;
      for (index_t key = 0; key < keys; ++key)
        if (sees(row, key)) any = used[static_cast<std::size_t>(key)] = true;
      if (!any) spoil(q, row), spoil(d_o, row);
    }
    for (index_t key = 0; key < keys; ++key)
      if (!used[static_cast<std::size_t>(key)]) spoil(k, key), spoil(v, key);
  }
  static void spoil(view<double, 2> x, index_t row) {
    for (index_t c = 0; c < x.cols(); ++c) x(row, c) = std::numeric_limits<double>::quiet_NaN();
  }
  void start(gradient& g, index_t n, index_t heads) {
    g.start = draw(n, heads);
    g.wanted = t.below(5) != 0;
    g.add = t.coin();
    g.expected.assign(g.start.data, g.start.data + g.start.size());
    g.terms.assign(g.expected.size(), 0);
    g.uncertainty = g.terms;
  }
  gradient_sink<double> expected_sink(gradient& g) {
    return {{g.expected.data(), g.start.rows(), g.start.cols()}, g.add};
  }
  void expect() {
    reference.attention_backward(expected_sink(dq), expected_sink(dk), expected_sink(dv), d_o, o, lse, q, k, v, mask,
                                 shape);
    for (index_t n = 0; n < rows; ++n)
      for (index_t h = 0; h < shape.heads; ++h)
        for (index_t j = 0; j < keys; ++j)
          if (sees(n, j)) measure(n, h, j);
  }
  /// Adds what the pair (row n, key j) of head h gives to the sizes of the terms.
  void measure(index_t n, index_t h, index_t j) {
    const index_t width = shape.head_width, own = h * width, shared = h / (shape.heads / shape.kv_heads) * width;
    double s = 0, sizes = 0, difference = 0, difference_sizes = 0;
    for (index_t c = 0; c < width; ++c) {
      const double score = shape.scale * q(n, own + c) * k(j, shared + c);
      const double dp = d_o(n, own + c) * v(j, shared + c), delta = d_o(n, own + c) * o(n, own + c);
      s += score, sizes += std::abs(score);
      difference += dp - delta, difference_sizes += std::abs(dp) + std::abs(delta);
    }
    const double p = std::exp(s - lse(n, h)), p_doubt = p * (1 + sizes + std::abs(lse(n, h)));
    const double ds = shape.scale * p * std::abs(difference);
    const double ds_doubt = shape.scale * (p_doubt * std::abs(difference) + p * difference_sizes);
    const auto add = [](gradient& g, index_t at, double factor, double doubt, double x) {
      g.terms[static_cast<std::size_t>(at)] += factor * std::abs(x);
      g.uncertainty[static_cast<std::size_t>(at)] += doubt * std::abs(x);
    };
    for (index_t c = 0; c < width; ++c) {
      add(dq, n * q.cols() + own + c, ds, ds_doubt, k(j, shared + c));
      add(dk, j * k.cols() + shared + c, ds, ds_doubt, q(n, own + c));
      add(dv, j * k.cols() + shared + c, p, p_doubt, d_o(n, own + c));
    }
  }
};

/// What one call on the device leaves in the wanted gradients.
template <class T>
struct device_call {
  using exec_type = cuda_exec<T>;
  using array = on_device<T, exec_type>;
  std::vector<T> dq, dk, dv;

  device_call(exec_type& exec, const drawn_call<T>& call) {
    const array q(exec, call.q), k(exec, call.k), v(exec, call.v), d_o(exec, call.d_o), o(exec, call.o);
    const on_device<float, exec_type> lse(exec, call.lse);
    const on_device<key_interval, exec_type> mask(exec, call.mask, nullptr);
    const target to_q(exec, call.dq), to_k(exec, call.dk), to_v(exec, call.dv);
    exec.attention_backward(to_q.sink(), to_k.sink(), to_v.sink(), d_o.matrix(call.d_o), o.matrix(call.o),
                            lse.matrix(call.lse), q.matrix(call.q), k.matrix(call.k), v.matrix(call.v),
                            {mask.data(), call.mask.rows(), call.mask.cols()}, call.shape);
    dq = to_q.memory.values(), dk = to_k.memory.values(), dv = to_v.memory.values();
  }

 private:
  struct target {
    const gradient& g;
    array memory;

    target(exec_type& exec, const gradient& wanted)
        : g(wanted), memory(g.add ? array(exec, g.start) : array(exec, g.start.size())) {}
    gradient_sink<T> sink() const {
      return g.wanted ? gradient_sink<T>{memory.matrix(g.start), g.add} : gradient_sink<T>{};
    }
  };
};

/// The largest error as a share of its limit. With u the rounding unit of T (2^-8 or 2^-24): P and dS are rounded to T
/// before the second products on tensor cores, u |a| |b| a term, and the result is rounded to T, u |result|. The sums
/// and exponentials in float may cost so much of the uncertainty as the table says.
template <class T>
double share_of_limit(const std::vector<T>& found, const gradient& g) {
  constexpr double u = cuda_tests::rounding<T>, sums = cuda_tests::limit<T>("attention_backward");
  double worst = 0;
  for (std::size_t at = 0; at < found.size(); ++at) {
    const double error = std::abs(static_cast<double>(static_cast<float>(found[at])) - g.expected[at]);
    if (std::isnan(error)) return std::numeric_limits<double>::infinity();
    const double limit = 1.01 * u * (g.terms[at] + std::abs(g.expected[at])) + sums * g.uncertainty[at] + 1e-30;
    worst = std::max(worst, error / limit);
  }
  return worst;
}

struct worst_shares {
  double dq = 0, dk = 0, dv = 0;
};

template <class T>
void check_call(cuda_exec<T>& exec, const drawn_call<T>& call, worst_shares& worst) {
  const device_call<T> once(exec, call), again(exec, call);
  const auto judge = [](const auto& found, const auto& repeated, const gradient& g, double& most) {
    if (!g.wanted) return;
    const double share = share_of_limit(found, g);
    BOOST_TEST(share <= 1);
    most = std::max(most, share);
    BOOST_TEST(std::memcmp(found.data(), repeated.data(), found.size() * sizeof(T)) == 0);
  };
  judge(once.dq, again.dq, call.dq, worst.dq);
  judge(once.dk, again.dk, call.dk, worst.dk);
  judge(once.dv, again.dv, call.dv, worst.dv);
}

template <class T>
void check_width(index_t width, unsigned cases, std::initializer_list<index_t> lengths) {
  cuda_exec<T> exec;
  worst_shares worst;
  for (unsigned seed = 0; seed < cases; ++seed) {
    std::mt19937 random(seed + 1000 * static_cast<unsigned>(width));
    const auto pick = [&](std::initializer_list<index_t> among) { return *(among.begin() + random() % among.size()); };
    const index_t kv_heads = pick({1, 1, 2}), group = pick({1, 2, 4}), keys = pick(lengths);
    const index_t rows = random() % 2 ? keys : pick(lengths);
    const attention_shape shape{kv_heads * group, kv_heads, width, 1 / std::sqrt(static_cast<double>(width))};
    BOOST_TEST_CONTEXT("width " << width << ", seed " << seed << ", " << rows << " rows, " << keys << " keys, "
                                << shape.heads << " heads, " << kv_heads << " key heads")
    check_call(exec, drawn_call<T>(seed, shape, rows, keys), worst);
  }
  BOOST_TEST_MESSAGE("width " << width << ": worst shares of the limits: dq " << worst.dq << ", dk " << worst.dk
                              << ", dv " << worst.dv);
}

}  // namespace

BOOST_AUTO_TEST_CASE(tensor_cores_32) { check_width<bf16>(32, 40, {1, 2, 7, 16, 33, 63, 64, 65, 129, 200}); }
BOOST_AUTO_TEST_CASE(tensor_cores_64) { check_width<bf16>(64, 30, {1, 5, 17, 64, 66, 100, 128, 199}); }
BOOST_AUTO_TEST_CASE(tensor_cores_128) { check_width<bf16>(128, 24, {1, 9, 31, 65, 127, 150, 200}); }

#if __has_include("emulator/runtime.hpp")
// Compute capability 8.6 and 8.9: 99 KiB of shared memory for a block.
BOOST_AUTO_TEST_CASE(a_device_with_less_shared_memory) {
  emulator::shared_opt_in = 99 * 1024;
  check_width<bf16>(64, 4, {33, 100});
  check_width<bf16>(128, 8, {1, 31, 65, 150});
  emulator::shared_opt_in = emulator::shared_limit;
}
#endif

/// More than 32 query tiles: the walk of a key block looks at them in windows.
BOOST_AUTO_TEST_CASE(many_query_tiles) {
  cuda_exec<bf16> exec;
  worst_shares worst;
  const attention_shape shape{2, 1, 32, 0.2};
  for (unsigned seed : {3u, 4u, 5u, 8u}) check_call(exec, drawn_call<bf16>(seed, shape, 2200, 40), worst);
}

BOOST_AUTO_TEST_CASE(plain_bf16) {
  for (index_t width : {1, 24, 80, 256}) check_width<bf16>(width, 8, {1, 3, 17, 40, 70});
}
BOOST_AUTO_TEST_CASE(plain_float) {
  for (index_t width : {2, 24, 32, 64, 80, 128}) check_width<float>(width, 8, {1, 3, 17, 40, 70});
}

BOOST_AUTO_TEST_CASE(no_rows_and_no_keys) {
  cuda_exec<bf16> exec;
  worst_shares worst;
  for (const index_t width : {20, 64}) {
    const attention_shape shape{2, 1, width, 0.1};
    for (unsigned seed = 0; seed < 8; ++seed) {
      check_call(exec, drawn_call<bf16>(seed, shape, 0, 70), worst);
      drawn_call<bf16> none(seed, shape, 70, 70);
      std::fill_n(none.mask.data, none.mask.size(), key_interval{5, 3});
      for (gradient* g : {&none.dq, &none.dk, &none.dv}) {
        g->terms.assign(g->terms.size(), 0);
        g->uncertainty = g->terms;
        for (index_t i = 0; i < g->start.size(); ++i)
          g->expected[static_cast<std::size_t>(i)] = g->add ? g->start.data[i] : 0;
      }
      std::fill_n(none.lse.data, none.lse.size(), -INFINITY);
      check_call(exec, none, worst);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_head_too_wide_is_refused) {
  cuda_exec<float> exec;
  const drawn_call<float> call(0, {1, 1, 300, 1}, 1, 1);
  BOOST_CHECK_THROW(device_call<float>(exec, call), config_error);
}
