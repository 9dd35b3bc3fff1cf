// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE autograd_gradient_check
#include <boost/test/unit_test.hpp>

#include "autograd/gradient_cases.hpp"
#include "transfusion/autograd/op/linear.hpp"

using namespace gradient_cases;

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
