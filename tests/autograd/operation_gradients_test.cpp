// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE autograd_operation_gradients
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "autograd/gradient_cases.hpp"
#include "transfusion/autograd/op/add.hpp"
#include "transfusion/autograd/op/attention.hpp"
#include "transfusion/autograd/op/embedding.hpp"
#include "transfusion/autograd/op/linear.hpp"
#include "transfusion/autograd/op/rms_norm.hpp"
#include "transfusion/autograd/op/rope.hpp"
#include "transfusion/autograd/op/rows.hpp"
#include "transfusion/autograd/op/swiglu.hpp"

using namespace gradient_cases;

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
        const index_t axes = heads;  // one, and more than a head has pairs
        const auto positions = random_tokens(rows * axes, 1000, 8);
        expect(check.run([&](auto& t, auto& v) {
          const auto table = t.saved(rows, width);
          t.exec().rope_table(table, {t.upload(positions).data, rows, axes}, 100.0);
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
