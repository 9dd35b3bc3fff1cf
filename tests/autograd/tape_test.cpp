// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE autograd_tape
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "support/policies.hpp"
#include "transfusion/autograd/op/add.hpp"
#include "transfusion/autograd/op/attention.hpp"
#include "transfusion/autograd/op/gaussian_sample.hpp"
#include "transfusion/autograd/op/head_cross_entropy.hpp"
#include "transfusion/autograd/op/linear.hpp"
#include "transfusion/autograd/op/max_pool.hpp"
#include "transfusion/autograd/op/rms_norm.hpp"
#include "transfusion/autograd/op/rope.hpp"
#include "transfusion/autograd/op/rows.hpp"
#include "transfusion/autograd/op/squared_error.hpp"
#include "transfusion/autograd/op/swiglu.hpp"
#include "transfusion/testing/gradient_check.hpp"
#include "transfusion/testing/poisoned.hpp"

using namespace transfusion;
using transfusion::testing::gradient_check;
using transfusion::testing::on_host;
using transfusion::testing::poisoned;
using transfusion::testing::weighted_output;

namespace {

constexpr double limit = 1e-8;
constexpr random_key key{3, 0, stream::test}, other_key{4, 0, stream::test};

template <class Exec>
var<Exec> filled(tape<Exec>& t, index_t rows, index_t cols, double value) {
  auto x = t.variable(rows, cols);
  t.exec().fill(x.value().flat(), value);
  return x;
}

/// Starts the gradient of y with ones.
template <class Exec>
void seed_gradient(tape<Exec>& t, var<Exec> y) {
  t.exec().fill(t.sink(y).into.flat(), 1);
}

/// y = x, counting how often the way back runs.
template <class Exec>
var<Exec> counted_copy(tape<Exec>& t, var<Exec> x, int* runs) {
  auto y = t.variable(x.rows(), x.cols());
  t.exec().copy(y.value().flat(), x.value().flat());
  t.on_backward([=](auto& back) {
    ++*runs;
    back.pass_gradient(y, x);
  });
  return y;
}

}  // namespace

// One gradient buffer is shared by y, a and b until somebody adds to a's: b must not see that.
BOOST_AUTO_TEST_CASE_TEMPLATE(a_shared_gradient_is_copied_before_it_changes, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  gradient_check check(exec, 1);
  const auto a = check.input("a", 3, 4), b = check.input("b", 3, 4);
  const auto report = check.run([&](auto& t, auto& v) {
    auto early = silu(t, v[a]);  // its way back runs last, on a gradient that b shares
    auto y = add(t, v[a], v[b]);
    auto late = add(t, y, v[b]);
    return weighted_output(t, late, key) + weighted_output(t, early, other_key);
  });
  BOOST_CHECK_MESSAGE(report.within(limit), report.text());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_variable_with_many_consumers, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  gradient_check check(exec, 2);
  const auto x = check.input("x", 4, 6);
  const auto w = check.parameters().declare("w", {6, 6}, initial_value::normal(0.4));
  const auto g = check.parameters().declare("g", {6}, initial_value::normal(1));
  const auto report = check.run([&](auto& t, auto& v) {
    auto one = linear(t, v[x], w);
    auto two = add_rms_norm(t, v[x], one, g, 1e-3);
    auto three = swiglu(t, two.normed, v[x]);
    auto four = add(t, add(t, two.sum, v[x]), three);
    auto five = add(t, four, four);
    auto six = rms_norm(t, five, g, 1e-3);
    return weighted_output(t, add(t, six, v[x]), key) + weighted_output(t, four, other_key);
  });
  BOOST_CHECK_MESSAGE(report.within(limit), report.text());
}

// An operation in place on a gradient that is shared.
BOOST_AUTO_TEST_CASE_TEMPLATE(rope_turns_its_own_gradient_only, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  gradient_check check(exec, 3);
  const auto a = check.input("a", 3, 4), b = check.input("b", 3, 4), c = check.input("c", 3, 4);
  const std::vector<token_t> positions{5, 1, 9};
  const auto report = check.run([&](auto& t, auto& v) {
    const auto table = t.saved(3, 4);
    t.exec().rope_table(table, {t.upload(positions).data, 3, 1}, 10.0);
    auto turned = add(t, v[a], v[b]);
    rope(t, turned, table);
    return weighted_output(t, add(t, turned, v[c]), key);
  });
  BOOST_CHECK_MESSAGE(report.within(limit), report.text());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_unused_output_costs_nothing, Exec, test_support::policies) {
  Exec exec;
  tape<Exec> t(exec);
  auto x = filled(t, 2, 3, 1);
  int used = 0, unused = 0;
  auto y = counted_copy(t, x, &used);
  counted_copy(t, counted_copy(t, x, &unused), &unused);
  seed_gradient(t, y);
  t.backward();
  BOOST_TEST(used == 1);
  BOOST_TEST(unused == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(without_a_root_nothing_runs, Exec, test_support::policies) {
  Exec exec;
  tape<Exec> t(exec);
  int runs = 0;
  counted_copy(t, filled(t, 2, 3, 1), &runs);
  t.backward();
  BOOST_TEST(runs == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_way_back_runs_once, Exec, test_support::policies) {
  Exec exec;
  tape<Exec> t(exec);
  int runs = 0;
  auto y = counted_copy(t, filled(t, 2, 3, 1), &runs);
  seed_gradient(t, y);
  t.backward();
  t.backward();
  BOOST_TEST(runs == 1);
  t.reset();
  t.backward();
  BOOST_TEST(runs == 1);
}

// Steps run in reverse order, also when there are more than one block of nodes and of steps holds.
BOOST_AUTO_TEST_CASE_TEMPLATE(a_long_chain, Exec, test_support::policies) {
  Exec exec;
  tape<Exec> t(exec);
  for (int repeat = 0; repeat < 2; ++repeat) {
    t.reset();
    int runs = 0;
    std::vector<typename Exec::scalar> kept(1);
    auto x = filled(t, 1, 1, 2);
    t.on_backward([=, k = kept.data()](auto& back) { back.exec().download(k, back.gradient(x).data, sizeof(*k)); });
    auto y = x;
    for (int i = 0; i < 3000; ++i) y = counted_copy(t, y, &runs);
    for (int i = 0; i < 10; ++i) y = add(t, y, y);
    seed_gradient(t, y);
    t.backward();
    BOOST_TEST(runs == 3000);
    BOOST_TEST(on_host(exec, y.value()).front() == 2048);
    BOOST_TEST(kept.front() == 1024);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(constants_have_no_gradient, Exec, test_support::policies) {
  Exec exec;
  tape<Exec> t(exec);
  auto c = t.constant(t.saved(2, 2));
  exec.fill(c.value().flat(), 1);
  BOOST_TEST(!t.sink(c));
  auto x = filled(t, 2, 2, 1);
  auto y = add(t, x, c);
  seed_gradient(t, y);
  BOOST_TEST(t.has_gradient(y));
  BOOST_TEST(!t.has_gradient(c));
  t.backward();
  BOOST_TEST(!t.has_gradient(y));
}

// Frozen features under a head that learns: the head's gradient does not hang on the features' gradient.
BOOST_AUTO_TEST_CASE_TEMPLATE(parameters_learn_from_constant_inputs, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  gradient_check check(exec, 4);
  const auto w = check.parameters().declare("w", {3, 4}, initial_value::normal(1));
  const auto head = check.parameters().declare("head", {5, 3}, initial_value::normal(1));
  const auto direct = check.parameters().declare("direct", {5, 4}, initial_value::normal(1));
  const std::vector<token_t> targets{4, ignored, 0};
  const std::vector<double> weights{1, 2, 0.5};
  const auto report = check.run([&](auto& t, auto&) {
    auto c = t.constant(t.saved(3, 4));
    t.exec().normal(c.value().flat(), key, 1.0);
    double value = 0;
    const auto sum = [&](const auto& losses) {
      const auto each = on_host(exec, losses.cross_entropy);
      for (std::size_t n = 0; n < 3; ++n) value += weights[n] * each[n];
    };
    sum(head_cross_entropy(t, linear(t, c, w), head, t.upload(targets), t.upload(weights)));
    sum(head_cross_entropy(t, c, direct, t.upload(targets), t.upload(weights)));
    return value;
  });
  BOOST_CHECK_MESSAGE(report.within(limit), report.text());
}

// Without gradient memory, parameters get none and the variables before them still do.
BOOST_AUTO_TEST_CASE_TEMPLATE(frozen_parameters, Exec, test_support::policies) {
  using scalar = typename Exec::scalar;
  Exec exec;
  parameter_set<Exec> set;
  const auto w = set.declare("w", {2, 2}, initial_value::ones());
  const auto b = set.declare("b", {2}, initial_value::zeros());
  const auto g = set.declare("g", {2}, initial_value::ones());
  set.allocate(exec, 1);
  tape<Exec> t(exec);
  std::vector<scalar> kept(2);
  auto x = filled(t, 1, 2, 1);
  t.on_backward(
      [=, k = kept.data()](auto& back) { back.exec().download(k, back.gradient(x).data, 2 * sizeof(scalar)); });
  auto y = linear(t, x, w, b);
  seed_gradient(t, rms_norm(t, y, g, 1e-5));  // adds nothing to a gradient along y
  t.exec().accumulate(t.sink(y), y.value());
  t.backward();
  BOOST_TEST(kept[0] == 4, boost::test_tools::tolerance(scalar(1e-4)));
  BOOST_TEST(kept[1] == 4, boost::test_tools::tolerance(scalar(1e-4)));
  BOOST_TEST(!set.gradients());
  BOOST_TEST(!w.gradient());
}

namespace {

/// Three linear layers with norms, and a root: what a step does to a tape.
template <class Exec>
double small_step(tape<Exec>& t, index_t rows, parameter<Exec> w, parameter<Exec> g) {
  t.reset();
  auto x = filled(t, rows, w.cols(), 0.5);
  for (int layer = 0; layer < 3; ++layer) x = add(t, x, silu(t, linear(t, rms_norm(t, x, g, 1e-5), w)));
  const double value = weighted_output(t, x, key);
  t.backward();
  return value;
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(a_warm_tape_allocates_nothing, Exec, test_support::policies) {
  Exec exec;
  parameter_set<Exec> set;
  const auto w = set.declare("w", {64, 64}, initial_value::normal(0.1));
  const auto g = set.declare("g", {64}, initial_value::ones());
  set.allocate(exec, 1);
  set.allocate_gradients();
  tape<Exec> t(exec);
  // Large enough for several blocks of step memory: the first reset joins them, then nothing grows.
  const double value = small_step(t, 1500, w, g);
  small_step(t, 1500, w, g);
  const index_t allocations = exec.allocations(), held = t.memory_held();
  for (const index_t rows : {1500, 3, 1500, 700, 1}) {
    const double again = small_step(t, rows, w, g);
    if (rows == 1500) BOOST_TEST(again == value);
  }
  BOOST_TEST(exec.allocations() == allocations);
  BOOST_TEST(t.memory_held() == held);
  small_step(t, 3000, w, g);
  BOOST_TEST(exec.allocations() > allocations);
}

// The gradients of a deep chain live in a few buffers, not in one a layer.
BOOST_AUTO_TEST_CASE_TEMPLATE(gradients_are_recycled, Exec, test_support::policies) {
  Exec exec;
  tape<Exec> t(exec);
  constexpr index_t rows = 512, cols = 512;
  const auto held_after = [&](int depth) {
    t.reset();
    auto x = filled(t, rows, cols, 0.5);
    for (int i = 0; i < depth; ++i) x = silu(t, x);
    seed_gradient(t, x);
    const index_t before = t.memory_held();
    t.backward();
    return t.memory_held() - before;
  };
  const index_t one = rows * cols * static_cast<index_t>(sizeof(typename Exec::scalar));
  BOOST_TEST(held_after(2) <= 2 * one);
  BOOST_TEST(held_after(12) <= one);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_tape_that_does_not_record_makes_no_gradients, Exec, test_support::policies) {
  Exec exec;
  parameter_set<Exec> set;
  const auto w = set.declare("w", {4, 4}, initial_value::normal(1));
  set.allocate(exec, 1);
  set.allocate_gradients();
  tape<Exec> recorded(exec), t(exec, recording::off);
  BOOST_TEST(recorded.records());
  BOOST_TEST(!t.records());
  const auto objective = [&](tape<Exec>& on) {
    int runs = 0;
    auto y = counted_copy(on, linear(on, filled(on, 3, 4, 0.7), w), &runs);
    const auto losses = head_cross_entropy(on, y, w, on.upload(std::vector<token_t>{0, 1, 2}),
                                           on.upload(std::vector<typename Exec::scalar>(3, 1)));
    on.backward();
    BOOST_TEST(runs == (on.records() ? 1 : 0));
    return on_host(exec, losses.cross_entropy);
  };
  const auto value = objective(t);
  const index_t values_only = t.memory_held();
  for (auto d : on_host(exec, set.gradients())) BOOST_TEST(d == 0);
  BOOST_TEST(objective(recorded) == value, boost::test_tools::per_element());
  BOOST_TEST(recorded.memory_held() > values_only);
  bool any = false;
  for (auto d : on_host(exec, set.gradients())) any = any || d != 0;
  BOOST_TEST(any);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(uploads_live_until_reset, Exec, test_support::policies) {
  Exec exec;
  tape<Exec> t(exec);
  std::vector<token_t> host{1, 2, 3};
  const auto device = t.upload(host);
  host = {7, 8, 9};
  BOOST_TEST(t.upload(std::vector<token_t>{}).size() == 0);
  t.variable(300, 300);
  const std::vector<token_t> expected{1, 2, 3};
  BOOST_TEST(on_host(exec, device) == expected, boost::test_tools::per_element());
}

namespace {

template <class F>
void refuses(F f, const std::string& expected) {
  try {
    f();
    BOOST_ERROR("nothing was thrown, expected: " + expected);
  } catch (const shape_error& e) {
    BOOST_CHECK_EQUAL(std::string(e.what()), expected);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(operations_refuse_shapes_that_do_not_fit, Exec, test_support::policies) {
  Exec exec;
  parameter_set<Exec> set;
  const auto w = set.declare("some.weight", {3, 5}, initial_value::zeros());
  const auto g = set.declare("some.norm", {5}, initial_value::zeros());
  const auto six = set.declare("six", {3, 6}, initial_value::zeros());
  set.allocate(exec, 1);
  tape<Exec> t(exec);
  auto x = filled(t, 4, 6, 0), y = filled(t, 4, 5, 0), z = filled(t, 2, 6, 0);
  const auto four = t.upload(std::vector<token_t>(4, 0));
  const auto numbers = t.upload(std::vector<typename Exec::scalar>(3, 0));
  const auto one_place = t.upload(std::vector<image_place>{{0, 0, {1, 4, 6}}});
  const auto intervals = t.upload(std::vector<key_interval>(3));
  const key_intervals keys(intervals.data, 3, 1);
  refuses([&] { linear(t, x, w); }, "some.weight: found 5, expected 6");
  refuses([&] { rms_norm(t, x, g, 1e-5); }, "some.norm: found 5, expected 6");
  refuses([&] { add_rms_norm(t, x, x, g, 1e-5); }, "some.norm: found 5, expected 6");
  refuses([&] { add_rms_norm(t, y, filled(t, 3, 5, 0), g, 1e-5); }, "add_rms_norm rows: found 3, expected 4");
  refuses([&] { add(t, x, z); }, "add: rows: found 2, expected 4");
  refuses([&] { add(t, x, y); }, "add: columns: found 5, expected 6");
  refuses([&] { scatter_rows(t, x, z, four); }, "scatter_rows: rows to place: found 2, expected 4");
  refuses([&] { scatter_rows(t, x, y, four); }, "scatter_rows: columns: found 5, expected 6");
  refuses([&] { rope(t, x, t.saved(3, 6)); }, "rope table rows: found 3, expected 4");
  refuses(
      [&] {
        attention(t, x, x, x, keys, {2, 2, 3, 1});
      },
      "attention: rows of the key intervals: found 3, expected 4");
  refuses([&] { attention(t, x, x, x, keys, {2, 2, 4, 1}); }, "attention: width of the queries: found 6, expected 8");
  refuses([&] { attention(t, x, x, x, keys, {2, 1, 3, 1}); }, "attention: width of the keys: found 6, expected 3");
  refuses([&] { head_cross_entropy(t, x, w, four, numbers); }, "some.weight: found 5, expected 6");
  refuses([&] { head_cross_entropy(t, z, six, four, numbers); }, "head_cross_entropy: targets: found 4, expected 2");
  refuses([&] { squared_error(t, x, numbers, one_place, numbers); }, "squared_error: target: found 3, expected 24");
  const auto linear_error = [&](auto target, auto weights) {
    pointwise_error(t, error_kind::linear, x, target, one_place, weights);
  };
  refuses([&] { linear_error(numbers, numbers); }, "pointwise_error: target: found 3, expected 24");
  const auto all = t.upload(std::vector<typename Exec::scalar>(24, 0));
  refuses([&] { linear_error(all, numbers); }, "pointwise_error: weights: found 3, expected 1");
  const view<const typename Exec::scalar, 2> six_numbers(all.data, 2, 3), eight(all.data, 4, 2);
  refuses([&] { gaussian_sample(t, y, six_numbers, intervals, numbers); },
          "gaussian_sample: columns of the moments: found 5, expected an even number");
  refuses([&] { gaussian_sample(t, x, six_numbers, intervals, numbers); },
          "gaussian_sample: rows of the noise: found 2, expected 4");
  refuses([&] { gaussian_sample(t, x, eight, intervals, numbers); },
          "gaussian_sample: columns of the noise: found 2, expected 3");
  refuses([&] { gaussian_sample(t, x, {}, intervals, all); }, "gaussian_sample: weights: found 24, expected 3");
  const view<const token_t, 2> taps(four.data, 2, 2), one_tap(four.data, 4, 1);
  refuses([&] { max_pool(t, x, {taps, taps}); }, "max_pool: rows of the reverse taps: found 2, expected 4");
  refuses([&] { max_pool(t, x, {taps, one_tap}); }, "max_pool: columns of the reverse taps: found 1, expected 2");
}
