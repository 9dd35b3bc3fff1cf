// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE autograd_operation_gradients
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "support/policies.hpp"
#include "transfusion/autograd/op/add.hpp"
#include "transfusion/autograd/op/attention.hpp"
#include "transfusion/autograd/op/embedding.hpp"
#include "transfusion/autograd/op/head_cross_entropy.hpp"
#include "transfusion/autograd/op/linear.hpp"
#include "transfusion/autograd/op/patchify.hpp"
#include "transfusion/autograd/op/rms_norm.hpp"
#include "transfusion/autograd/op/rope.hpp"
#include "transfusion/autograd/op/rows.hpp"
#include "transfusion/autograd/op/squared_error.hpp"
#include "transfusion/autograd/op/swiglu.hpp"
#include "transfusion/autograd/op/timestep_embedding.hpp"
#include "transfusion/testing/gradient_check.hpp"
#include "transfusion/testing/poisoned.hpp"

using namespace transfusion;
using transfusion::testing::gradient_check;
using transfusion::testing::gradient_report;
using transfusion::testing::on_host;
using transfusion::testing::poisoned;
using transfusion::testing::weighted_output;

namespace {

constexpr double limit = 1e-8;
constexpr random_key key{99, 0, stream::test};
const initial_value drawn = initial_value::normal(1);

void expect(const gradient_report& report, const std::string& shape) {
  BOOST_CHECK_MESSAGE(report.within(limit), shape << ": " << report.text());
}
template <class... Extents>
std::string shape_text(Extents... extents) {
  std::string s;
  ((s += std::to_string(extents) + " "), ...);
  return s;
}

/// Random whole numbers below `limit_`, or `ignored` where asked for now and then.
std::vector<token_t> random_tokens(index_t count, index_t below, std::uint64_t seed, bool some_ignored = false) {
  const random_key draw{seed, 7, stream::test};
  std::vector<token_t> ids;
  for (index_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::uint64_t>(2 * i);
    ids.push_back(some_ignored && draw.below(at, 3) == 0 ? ignored : static_cast<token_t>(draw.below(at + 1, below)));
  }
  return ids;
}

struct sizes {
  index_t rows, in, out;
};
constexpr sizes shapes[] = {{1, 1, 1}, {1, 5, 3}, {4, 1, 2}, {3, 7, 5}, {9, 4, 17}};

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(linear_with_and_without_bias, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, in, out] : shapes)
    for (const bool with_bias : {false, true}) {
      gradient_check check(exec, 1);
      const auto x = check.input("x", rows, in);
      const auto w = check.parameters().declare("w", {out, in}, drawn);
      const auto b = with_bias ? check.parameters().declare("b", {out}, drawn) : parameter<poisoned<Exec>>{};
      expect(check.run([&](auto& t, auto& v) { return weighted_output(t, linear(t, v[x], w, b), key); }),
             shape_text(rows, in, out, with_bias));
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_weight_used_twice, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  gradient_check check(exec, 2);
  const auto x = check.input("x", 3, 4);
  const auto w = check.parameters().declare("w", {4, 4}, drawn);
  expect(check.run([&](auto& t, auto& v) { return weighted_output(t, linear(t, linear(t, v[x], w), w), key); }), "");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(embedding_with_repeats_and_ignored, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, width, vocabulary] : shapes)
    for (const bool some_ignored : {false, true}) {
      gradient_check check(exec, 3);
      const auto table = check.parameters().declare("table", {vocabulary, width}, drawn);
      const auto ids = random_tokens(rows, vocabulary, 4, some_ignored);
      expect(check.run([&](auto& t, auto&) { return weighted_output(t, embedding(t, t.upload(ids), table), key); }),
             shape_text(rows, width, vocabulary, some_ignored));
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(rms_norm_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, width, unused] : shapes)
    for (const double epsilon : {1e-5, 0.3}) {
      gradient_check check(exec, 5);
      const auto x = check.input("x", rows, width);
      const auto w = check.parameters().declare("w", {width}, drawn);
      expect(check.run([&](auto& t, auto& v) { return weighted_output(t, rms_norm(t, v[x], w, epsilon), key); }),
             shape_text(rows, width, epsilon));
    }
}

// Either output may go unused, and both may be used.
BOOST_AUTO_TEST_CASE_TEMPLATE(add_rms_norm_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, width, unused] : shapes)
    for (const int used : {1, 2, 3}) {
      gradient_check check(exec, 6);
      const auto a = check.input("a", rows, width), b = check.input("b", rows, width);
      const auto w = check.parameters().declare("w", {width}, drawn);
      expect(check.run([&](auto& t, auto& v) {
        const auto both = add_rms_norm(t, v[a], v[b], w, 1e-2);
        double value = 0;
        if (used & 1) value += weighted_output(t, both.sum, key);
        if (used & 2) value += weighted_output(t, both.normed, {98, 0, stream::test});
        return value;
      }),
             shape_text(rows, width, used));
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(add_rms_norm_of_one_variable_twice, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  gradient_check check(exec, 6);
  const auto a = check.input("a", 3, 5);
  const auto w = check.parameters().declare("w", {5}, drawn);
  expect(check.run([&](auto& t, auto& v) {
    const auto both = add_rms_norm(t, v[a], v[a], w, 1e-2);
    return weighted_output(t, both.sum, key) + weighted_output(t, both.normed, {98, 0, stream::test});
  }),
         "");
}

// In place, so it turns the output of another operation.
BOOST_AUTO_TEST_CASE_TEMPLATE(rope_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const index_t rows : {1, 2, 7})
    for (const index_t heads : {1, 3})
      for (const index_t width : {2, 6}) {
        gradient_check check(exec, 7);
        const auto x = check.input("x", rows, heads * width);
        const auto zero = check.input("zero", rows, heads * width, 0);
        const auto positions = random_tokens(rows, 1000, 8);
        expect(check.run([&](auto& t, auto& v) {
          const auto table = t.saved(rows, width);
          t.exec().rope_table(table, t.upload(positions), 100.0);
          auto y = add(t, v[x], v[zero]);
          rope(t, y, table);
          return weighted_output(t, y, key);
        }),
               shape_text(rows, heads, width));
      }
}

namespace {

struct attention_case {
  const char* name;
  index_t rows, keys, intervals;
  key_interval (*at)(index_t row, index_t interval);
};

const attention_case masks[] = {
    {"one row", 1, 1, 1,
     [](index_t, index_t) {
       return key_interval{0, 1};
     }},
    {"causal", 7, 7, 1, [](index_t n, index_t) { return key_interval::of(0, n + 1); }},
    {"packed with an image", 9, 9, 1,
     [](index_t n, index_t) {
       return n < 3 ? key_interval::of(0, n + 1) : n < 7 ? key_interval{3, 7} : key_interval::of(3, n + 1);
     }},
    {"all", 5, 5, 1,
     [](index_t, index_t) {
       return key_interval{0, 5};
     }},
    {"rows that see nothing", 6, 6, 1,
     [](index_t n, index_t) { return n % 2 ? key_interval::of(0, n) : key_interval{}; }},
    {"cross, few rows", 2, 11, 1, [](index_t n, index_t) { return key_interval::of(n, 10 + n); }},
    {"cross, few keys", 9, 4, 1, [](index_t n, index_t) { return key_interval::of(n % 3, 4); }},
    {"a hole", 8, 8, 2,
     [](index_t n, index_t i) { return i == 0 ? key_interval::of(0, n / 2) : key_interval::of((n + 2) / 2, n + 1); }},
    {"empty first interval", 5, 5, 2,
     [](index_t n, index_t i) { return i == 0 ? key_interval{} : key_interval::of(0, n + 1); }},
    {"empty second interval", 5, 5, 2,
     [](index_t n, index_t i) { return i == 0 ? key_interval::of(0, n + 1) : key_interval{}; }},
    {"both empty in places", 5, 5, 2,
     [](index_t n, index_t i) {
       return n == 2 ? key_interval{} : i == 0 ? key_interval{0, 1} : key_interval{3, 5};
     }},
};

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(attention_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  struct {
    index_t heads, kv_heads, width;
  } constexpr all_heads[] = {{1, 1, 1}, {2, 2, 3}, {4, 2, 2}, {3, 1, 5}};
  for (const attention_case& c : masks)
    for (const auto& h : all_heads) {
      gradient_check check(exec, 9);
      const auto q = check.input("q", c.rows, h.heads * h.width);
      const auto k = check.input("k", c.keys, h.kv_heads * h.width);
      const auto v = check.input("v", c.keys, h.kv_heads * h.width);
      std::vector<key_interval> lowered;
      for (index_t n = 0; n < c.rows; ++n)
        for (index_t i = 0; i < c.intervals; ++i) lowered.push_back(c.at(n, i));
      const attention_shape shape{h.heads, h.kv_heads, h.width, 0.8};
      expect(check.run([&](auto& t, auto& in) {
        const auto flat = t.upload(lowered);
        const key_intervals keys(flat.data, c.rows, c.intervals);
        return weighted_output(t, attention(t, in[q], in[k], in[v], keys, shape), key);
      }),
             c.name + std::string(", heads ") + shape_text(h.heads, h.kv_heads, h.width));
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(attention_of_one_variable, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  gradient_check check(exec, 9);
  const auto x = check.input("x", 4, 6);
  const std::vector<key_interval> lowered{{0, 1}, {0, 2}, {0, 4}, {0, 4}};
  expect(check.run([&](auto& t, auto& in) {
    const key_intervals keys(t.upload(lowered).data, 4, 1);
    return weighted_output(t, attention(t, in[x], in[x], in[x], keys, attention_shape{2, 2, 3, 0.6}), key);
  }),
         "");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(swiglu_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, width, unused] : shapes) {
    gradient_check check(exec, 10);
    const auto gate = check.input("gate", rows, width, 2), up = check.input("up", rows, width);
    expect(check.run([&](auto& t, auto& v) { return weighted_output(t, swiglu(t, v[gate], v[up]), key); }),
           shape_text(rows, width));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(swiglu_of_one_variable_twice, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  gradient_check check(exec, 10);
  const auto x = check.input("x", 3, 5);
  expect(check.run([&](auto& t, auto& v) { return weighted_output(t, swiglu(t, v[x], v[x]), key); }), "");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(silu_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, width, unused] : shapes) {
    gradient_check check(exec, 11);
    const auto x = check.input("x", rows, width, 2);
    expect(check.run([&](auto& t, auto& v) { return weighted_output(t, silu(t, v[x]), key); }),
           shape_text(rows, width));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(add_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, width, unused] : shapes)
    for (const bool same : {false, true}) {
      gradient_check check(exec, 12);
      const auto a = check.input("a", rows, width), b = check.input("b", rows, width);
      expect(check.run([&](auto& t, auto& v) { return weighted_output(t, add(t, v[a], same ? v[a] : v[b]), key); }),
             shape_text(rows, width, same));
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(gather_rows_with_repeats, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [from, width, rows] : shapes) {
    gradient_check check(exec, 13);
    const auto x = check.input("x", from, width);
    const auto ids = random_tokens(rows, from, 14);
    expect(check.run([&](auto& t, auto& v) { return weighted_output(t, gather_rows(t, v[x], t.upload(ids)), key); }),
           shape_text(from, width, rows));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(scatter_rows_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  const std::vector<std::vector<token_t>> all_rows{{0}, {4, 0, 2}, {3, 1, 0, 4, 2}};
  for (const auto& rows : all_rows)
    for (const index_t width : {1, 3}) {
      gradient_check check(exec, 15);
      const auto x = check.input("x", rows.size() == 1 ? 1 : 5, width);
      const auto s = check.input("s", static_cast<index_t>(rows.size()), width);
      expect(check.run([&](auto& t, auto& v) {
        return weighted_output(t, scatter_rows(t, v[x], v[s], t.upload(rows)), key);
      }),
             shape_text(rows.size(), width));
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(scatter_rows_of_one_variable_twice, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  gradient_check check(exec, 15);
  const auto x = check.input("x", 4, 3);
  const std::vector<token_t> rows{2, 0, 3, 1};
  expect(
      check.run([&](auto& t, auto& v) { return weighted_output(t, scatter_rows(t, v[x], v[x], t.upload(rows)), key); }),
      "");
}

namespace {

/// Two grids of images in patches of 2 × 2: 2 and 6 patches of `channels` channels.
std::vector<image_place> two_images(index_t channels) {
  return {{0, 0, {channels, 2, 4}}, {channels * 8, 2, {channels, 6, 4}}};
}
constexpr index_t all_patches = 8;

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(unpatchify_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const index_t channels : {1, 3}) {
    gradient_check check(exec, 16);
    const auto patches = check.input("patches", all_patches, channels * 4);
    const auto places = two_images(channels);
    expect(check.run([&](auto& t, auto& v) {
      return weighted_output(t, unpatchify(t, v[patches], t.upload(places), 2), key);
    }),
           shape_text(channels));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(patchify_undoes_unpatchify_and_has_no_gradient, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const index_t channels : {1, 3}) {
    tape<poisoned<Exec>> t(exec);
    const auto places = t.upload(two_images(channels));
    auto patches = t.variable(all_patches, channels * 4);
    exec.normal(patches.value().flat(), key, 1.0);
    const auto values = unpatchify(t, patches, places, 2);
    const auto again = patchify(t, values.value().flat(), places, all_patches, 2, channels);
    BOOST_TEST(on_host(exec, again.value()) == on_host(exec, patches.value()), boost::test_tools::per_element());
    BOOST_TEST(!t.sink(again));
  }
}

// Patches in raster order; inside a patch channel by channel, each row by row.
BOOST_AUTO_TEST_CASE_TEMPLATE(patchify_order, Exec, test_support::double_policies) {
  Exec exec;
  tape<Exec> t(exec);
  std::vector<double> numbers;
  for (int i = 0; i < 2 * 2 * 4; ++i) numbers.push_back(i);
  const std::vector<image_place> place{{0, 0, {2, 2, 4}}};
  const auto patches = on_host(exec, patchify(t, t.upload(numbers), t.upload(place), 2, 2, 2).value());
  const std::vector<double> expected{0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15};
  BOOST_TEST(patches == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(head_cross_entropy_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, width, vocabulary] : shapes)
    for (const bool some_ignored : {false, true})
      for (const double z_weight : {0.0, 0.1}) {
        gradient_check check(exec, 17);
        const auto x = check.input("x", rows, width);
        const auto w = check.parameters().declare("w", {vocabulary, width}, drawn);
        const auto targets = random_tokens(rows, vocabulary, 18, some_ignored);
        std::vector<double> weights;
        for (index_t n = 0; n < rows; ++n) weights.push_back(0.3 + static_cast<double>(n));
        expect(check.run([&](auto& t, auto& v) {
          const auto losses = head_cross_entropy(t, v[x], w, t.upload(targets), t.upload(weights), z_weight);
          const auto each = on_host(exec, losses.cross_entropy), log_z = on_host(exec, losses.log_z);
          double value = 0;
          for (std::size_t n = 0; n < each.size(); ++n)
            value += weights[n] * (each[n] + z_weight * log_z[n] * log_z[n]);
          return value;
        }),
               shape_text(rows, width, vocabulary, some_ignored, z_weight));
      }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(head_cross_entropy_value, Exec, test_support::double_policies) {
  Exec exec;
  tape<Exec> t(exec);
  parameter_set<Exec> set;
  const auto w = set.declare("w", {3, 2}, initial_value::normal(1));
  set.allocate(exec, 5);
  auto x = t.variable(2, 2);
  exec.normal(x.value().flat(), key, 1.0);
  const auto head = on_host(exec, w.value()), rows = on_host(exec, x.value());
  double z = 0, logit[3];
  for (std::size_t o = 0; o < 3; ++o) z += std::exp(logit[o] = rows[0] * head[2 * o] + rows[1] * head[2 * o + 1]);
  const auto losses =
      head_cross_entropy(t, x, w, t.upload(std::vector<token_t>{2, ignored}), t.upload(std::vector<double>{4, 5}));
  const auto each = on_host(exec, losses.cross_entropy), log_z = on_host(exec, losses.log_z);
  BOOST_TEST(each[0] == std::log(z) - logit[2], boost::test_tools::tolerance(1e-13));
  BOOST_TEST(log_z[0] == std::log(z), boost::test_tools::tolerance(1e-13));
  BOOST_TEST(each[1] == 0);
  BOOST_TEST(log_z[1] == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(squared_error_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const index_t channels : {1, 3}) {
    gradient_check check(exec, 19);
    const auto places = two_images(channels);
    const index_t count = channels * all_patches * 4;
    const auto prediction = check.input("prediction", 1, count);
    std::vector<double> target(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < target.size(); ++i) target[i] = 0.1 * static_cast<double>(i % 7);
    const std::vector<double> weights{0.7, 2.5};
    expect(check.run([&](auto& t, auto& v) {
      const auto each =
          on_host(exec, squared_error(t, v[prediction], t.upload(target), t.upload(places), t.upload(weights)));
      return weights[0] * each[0] + weights[1] * each[1];
    }),
           shape_text(channels));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_perfect_prediction_has_no_squared_error, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  tape<poisoned<Exec>> t(exec);
  const auto places = two_images(2);
  auto prediction = t.variable(1, 2 * all_patches * 4);
  exec.normal(prediction.value().flat(), key, 1.0);
  const auto losses =
      squared_error(t, prediction, prediction.value().flat(), t.upload(places), t.upload(std::vector<double>{1, 1}));
  for (double l : on_host(exec, losses)) BOOST_TEST(l == 0);
  for (double d : on_host(exec, t.gradient(prediction))) BOOST_TEST(d == 0);
}

// cos and sin of t · 10000^(-k/K), cosines first; no gradient.
BOOST_AUTO_TEST_CASE_TEMPLATE(timestep_embedding_values, Exec, test_support::double_policies) {
  Exec exec;
  tape<Exec> t(exec);
  const std::vector<double> times{1, 250, 1000};
  const auto e = timestep_embedding(t, t.upload(times), 8);
  const auto found = on_host(exec, e.value());
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t k = 0; k < 4; ++k) {
      const double angle = times[i] * std::pow(10000.0, -static_cast<double>(k) / 4);
      BOOST_TEST(std::abs(found[8 * i + k] - std::cos(angle)) < 1e-12);
      BOOST_TEST(std::abs(found[8 * i + 4 + k] - std::sin(angle)) < 1e-12);
    }
  BOOST_TEST(!t.sink(e));
}

namespace {

/// y = 2x with a way back that says `slope`, written over or added to as told: right with slope 2 and `honest`.
template <class Exec>
var<Exec> doubled(tape<Exec>& t, var<Exec> x, double slope, bool honest) {
  auto y = t.variable(x.rows(), x.cols());
  t.exec().add(y.value(), x.value(), x.value());
  t.on_backward([=](auto& back) {
    auto sink = back.sink(x);
    if (!honest) sink.add = false;
    auto dy = on_host(back.exec(), back.gradient(y));
    for (auto& d : dy) d *= slope;
    const auto copy = back.saved(y.rows(), y.cols());
    back.exec().upload(copy.data, dy.data(), dy.size() * sizeof(double));
    back.exec().accumulate(sink, copy);
  });
  return y;
}

}  // namespace

// The check must find what it is there to find.
BOOST_AUTO_TEST_CASE_TEMPLATE(the_check_finds_faults, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  const auto run = [&](double slope, bool honest) {
    gradient_check check(exec, 20);
    const auto x = check.input("x", 2, 3);
    return check.run([&](auto& t, auto& v) { return weighted_output(t, doubled(t, v[x], slope, honest), key); });
  };
  expect(run(2, true), "honest");
  BOOST_TEST(!run(2.0001, true).within(1e-6));
  BOOST_TEST(!run(2, false).within(1e-6));
  BOOST_TEST(run(2.0001, true).name == "x");
  BOOST_TEST(!gradient_report{}.within(1));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_check_finds_memory_that_nobody_wrote, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  gradient_check check(exec, 21);
  const auto x = check.input("x", 1, 1);
  const auto report = check.run([&](auto& t, auto& v) {
    auto y = t.variable(1, 1);
    return weighted_output(t, v[x], key) + weighted_output(t, y, key);
  });
  BOOST_TEST(!report.within(1));
}

// A parameter's gradient that is written over instead of added to.
BOOST_AUTO_TEST_CASE_TEMPLATE(the_check_finds_parameter_gradients_written_over, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  gradient_check check(exec, 22);
  const auto x = check.input("x", 2, 2);
  const auto w = check.parameters().declare("w", {2, 2}, drawn);
  const auto report = check.run([&](auto& t, auto& v) {
    auto y = linear(t, v[x], w);
    t.on_backward([=](auto& back) { back.exec().fill(w.flat_gradient(), 0); });
    return weighted_output(t, y, key);
  });
  BOOST_TEST(!report.within(1e-3));
  BOOST_TEST(report.name == "w");
}
