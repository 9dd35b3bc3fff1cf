// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE autograd_parameter
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "support/policies.hpp"
#include "transfusion/autograd/parameter.hpp"
#include "transfusion/testing/compare.hpp"
#include "transfusion/testing/poisoned.hpp"

using namespace transfusion;
using transfusion::testing::on_host;
using transfusion::testing::poisoned;

namespace {

template <class Set>
void declare_some(Set& set) {
  set.declare("norm", {3}, initial_value::ones(), decay::off);
  set.declare("trunk.weight", {5, 3}, initial_value::normal(0.5));
  set.declare("trunk.bias", {5}, initial_value::zeros(), decay::off);
  set.declare("trunk.other", {100, 70}, initial_value::normal(0.02));
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(one_block_with_what_decays_in_front, Exec, test_support::policies) {
  using scalar = typename Exec::scalar;
  poisoned<Exec> exec;
  parameter_set<poisoned<Exec>> set;
  declare_some(set);
  BOOST_TEST(exec.allocations() == 0);
  set.allocate(exec, 1);
  BOOST_TEST(exec.allocations() == 1);
  index_t counted = 0;
  set.each([&](auto p) {
    const bool decays = p.name() == "trunk.weight" || p.name() == "trunk.other";
    BOOST_TEST((p.offset() < set.decayed()) == decays, p.name());
    BOOST_TEST(p.offset() * static_cast<index_t>(sizeof(scalar)) % 64 == 0);
    BOOST_TEST((p.flat_value().data == set.values().data + p.offset()));
    BOOST_TEST(!p.flat_gradient());
    counted += p.size();
  });
  BOOST_TEST(set.count() == counted);
  BOOST_TEST(counted == 3 + 15 + 5 + 7000);
  BOOST_TEST(set.count("trunk.") == 15 + 5 + 7000);
  BOOST_TEST(set.count("trunk.weight") == 15);
  BOOST_TEST(set.count("absent") == 0);
  set.allocate_gradients();
  const index_t allocations = exec.allocations();
  set.allocate_gradients();
  BOOST_TEST(exec.allocations() == allocations);
  set.each([&](auto p) { BOOST_TEST((p.flat_gradient().data == set.gradients().data + p.offset())); });
  for (scalar g : on_host(exec, set.gradients())) BOOST_TEST(g == 0);
}

// Padding between parameters must be zero: norms and moments run over it.
BOOST_AUTO_TEST_CASE_TEMPLATE(padding_is_zero, Exec, test_support::policies) {
  poisoned<Exec> exec;
  parameter_set<poisoned<Exec>> set;
  declare_some(set);
  set.allocate(exec, 1);
  auto all = on_host(exec, set.values());
  set.each([&](auto p) {
    for (index_t i = 0; i < p.size(); ++i) all[static_cast<std::size_t>(p.offset() + i)] = 0;
  });
  for (auto v : all) BOOST_TEST(v == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(starting_values, Exec, test_support::policies) {
  Exec exec;
  parameter_set<Exec> set;
  declare_some(set);
  set.allocate(exec, 7);
  set.each([&](auto p) {
    double sum = 0, squares = 0;
    const auto host = on_host(exec, p.flat_value());
    for (auto v : host) {
      sum += static_cast<double>(v);
      squares += static_cast<double>(v) * static_cast<double>(v);
    }
    if (p.name() == "norm") BOOST_TEST((sum == 3 && squares == 3));
    if (p.name() == "trunk.bias") BOOST_TEST(squares == 0);
    if (p.name() == "trunk.other") {
      BOOST_TEST(std::abs(sum / 7000) < 4 * 0.02 / std::sqrt(7000.0));
      BOOST_TEST(std::abs(squares / 7000 / (0.02 * 0.02) - 1) < 4 * std::sqrt(2 / 7000.0));
    }
  });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(starting_values_follow_the_seed, Exec, test_support::policies) {
  Exec exec;
  const auto values = [&](std::uint64_t seed) {
    parameter_set<Exec> set;
    declare_some(set);
    set.allocate(exec, seed);
    return on_host(exec, set.values());
  };
  BOOST_TEST((values(3) == values(3)));
  BOOST_TEST((values(3) != values(4)));
}

BOOST_AUTO_TEST_CASE(bad_declarations) {
  using exec_type = reference_exec<double>;
  parameter_set<exec_type> set;
  set.declare("a.b", {2, 3}, initial_value::zeros());
  const auto says = [](const std::string& text) { return [text](const config_error& e) { return e.what() == text; }; };
  BOOST_CHECK_EXCEPTION(set.declare("a.b", {1}, initial_value::zeros()), config_error,
                        says("parameter a.b is declared twice"));
  BOOST_CHECK_EXCEPTION(set.declare("c", {4, 0}, initial_value::zeros()), config_error,
                        says("parameter c: extent 0, expected > 0"));
  BOOST_TEST(set.size() == 1);
}

BOOST_AUTO_TEST_CASE(an_empty_handle_has_empty_views) {
  const parameter<reference_exec<double>> none;
  BOOST_TEST(!none);
  BOOST_TEST(!none.flat_value());
  BOOST_TEST(!none.flat_gradient());
}
