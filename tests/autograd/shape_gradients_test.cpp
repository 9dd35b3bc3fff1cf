// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE autograd_shape_gradients
#include <array>
#include <boost/test/unit_test.hpp>
#include <span>
#include <vector>

#include "autograd/gradient_cases.hpp"
#include "transfusion/autograd/op/add.hpp"
#include "transfusion/autograd/op/concatenate.hpp"
#include "transfusion/autograd/op/dropout.hpp"
#include "transfusion/autograd/op/gelu.hpp"
#include "transfusion/autograd/op/join_rows.hpp"
#include "transfusion/autograd/op/leaky_relu.hpp"
#include "transfusion/autograd/op/linear.hpp"
#include "transfusion/autograd/op/multiply.hpp"
#include "transfusion/autograd/op/reshape.hpp"
#include "transfusion/autograd/op/straight_through.hpp"

// Elementwise operations, and those that only move numbers.
using namespace gradient_cases;

namespace {

bool mentions(const std::exception& e, const char* word) {
  return std::string(e.what()).find(word) != std::string::npos;
}

/// Parts of a whole, on the tape's list.
template <class Exec>
std::span<const placed_rows<Exec>> parts_of(tape<Exec>& t, const std::vector<var<Exec>>& parts,
                                            const std::vector<std::vector<token_t>>& rows) {
  auto list = t.template list<placed_rows<Exec>>(std::ssize(parts));
  for (std::size_t i = 0; i < parts.size(); ++i) list.push_back({parts[i], t.upload(rows[i])});
  return {list.data(), parts.size()};
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(gelu_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, width, unused] : shapes) {
    gradient_check check(exec, 41);
    const auto x = check.input("x", rows, width, 2);
    expect(check.run([&](auto& t, auto& v) { return weighted_output(t, gelu(t, v[x]), key); }),
           shape_text(rows, width));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(leaky_relu_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, width, unused] : shapes)
    for (const double slope : {0.0, 0.2}) {
      gradient_check check(exec, 45);
      const auto x = check.input("x", rows, width, 5);  // none within a step of zero
      expect(check.run([&](auto& t, auto& v) { return weighted_output(t, leaky_relu(t, v[x], slope), key); }),
             shape_text(rows, width, slope));
    }
}

// With a value that is x itself it is the identity, and so differences see its gradient.
BOOST_AUTO_TEST_CASE_TEMPLATE(straight_through_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, width, unused] : shapes) {
    gradient_check check(exec, 46);
    const auto x = check.input("x", rows, width);
    expect(check.run([&](auto& t, auto& v) {
      const auto copy = t.constant(t.saved(v[x].rows(), v[x].cols()));
      t.exec().copy(copy.value().flat(), v[x].value().flat());
      return weighted_output(t, straight_through(t, v[x], copy), key);
    }),
           shape_text(rows, width));
  }
}

// The numbers are the value's, the gradient is that of x, and the value's own consumers keep theirs.
BOOST_AUTO_TEST_CASE_TEMPLATE(straight_through_passes_the_value_and_no_gradient_to_it, Exec,
                              test_support::double_policies) {
  poisoned<Exec> exec;
  tape<poisoned<Exec>> t(exec);
  auto x = t.variable(2, 3), value = t.variable(2, 3);
  exec.fill(x.value().flat(), 1);
  exec.fill(value.value().flat(), 5);
  buffer<poisoned<Exec>, double> dx(exec, 6);
  std::array<bool, 1> to_value{true};
  t.on_backward([=, to = dx.all(), told = to_value.data()](auto& back) {
    *told = back.has_gradient(value);
    back.exec().copy(to, back.gradient(x).flat());
  });
  const auto y = straight_through(t, x, value);
  weighted_output(t, y, key);
  const auto expected = on_host(exec, t.gradient(y));
  t.backward();
  BOOST_TEST(on_host(exec, y.value()) == std::vector<double>(6, 5), boost::test_tools::per_element());
  BOOST_TEST(on_host(exec, dx.all()) == expected, boost::test_tools::per_element());
  BOOST_TEST(!to_value[0]);
  auto narrow = t.variable(2, 2);
  BOOST_CHECK_EXCEPTION(straight_through(t, x, narrow), shape_error,
                        [](const shape_error& e) { return mentions(e, "straight_through: columns: found 2"); });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(multiply_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, width, unused] : shapes)
    for (const bool same : {false, true}) {
      gradient_check check(exec, 42);
      const auto a = check.input("a", rows, width), b = check.input("b", rows, width);
      expect(
          check.run([&](auto& t, auto& v) { return weighted_output(t, multiply(t, v[a], same ? v[a] : v[b]), key); }),
          shape_text(rows, width, same));
    }
}

// Only one of two factors is differentiable.
BOOST_AUTO_TEST_CASE_TEMPLATE(multiply_by_a_constant, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const bool first : {false, true}) {
    gradient_check check(exec, 43);
    const auto x = check.input("x", 3, 5);
    expect(check.run([&](auto& t, auto& v) {
      const auto numbers = t.saved(3, 5);
      t.exec().normal(numbers.flat(), {5, 0, stream::test}, 1.0);
      const auto c = t.constant(numbers);
      return weighted_output(t, first ? multiply(t, c, v[x]) : multiply(t, v[x], c), key);
    }),
           shape_text(first));
  }
}

// The mask is the key's: the same on every call, so differences see a linear map.
BOOST_AUTO_TEST_CASE_TEMPLATE(dropout_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, width, unused] : shapes)
    for (const double rate : {0.0, 0.3, 0.9})
      for (const index_t first : {0, 1, 6}) {
        gradient_check check(exec, 44);
        const auto x = check.input("x", rows, width);
        expect(check.run([&](auto& t, auto& v) {
          return weighted_output(t, dropout(t, v[x], {7, 1, stream::dropout}, rate, first), key);
        }),
               shape_text(rows, width, rate, first));
      }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(dropout_at_rate_zero_is_the_variable_itself, Exec, test_support::double_policies) {
  Exec exec;
  tape<Exec> t(exec);
  auto x = t.variable(2, 3);
  exec.fill(x.value().flat(), 1);
  BOOST_TEST(dropout(t, x, key, 0).node() == x.node());
  for (const double rate : {1.0, -0.1, 2.0, std::numeric_limits<double>::quiet_NaN()})
    BOOST_CHECK_EXCEPTION(dropout(t, x, key, rate), config_error,
                          [](const config_error& e) { return mentions(e, "0 <= rate < 1"); });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(concatenate_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, of_a, of_b] : shapes) {
    gradient_check check(exec, 45);
    const auto a = check.input("a", rows, of_a), b = check.input("b", rows, of_b);
    expect(check.run([&](auto& t, auto& v) { return weighted_output(t, concatenate(t, v[a], v[b]), key); }),
           shape_text(rows, of_a, of_b));
    expect(check.run([&](auto& t, auto& v) { return weighted_output(t, concatenate(t, v[a], v[a]), key); }),
           shape_text(rows, of_a) + "twice");
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(concatenate_with_a_constant, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const bool first : {false, true}) {
    gradient_check check(exec, 46);
    const auto x = check.input("x", 3, 2);
    expect(check.run([&](auto& t, auto& v) {
      const auto numbers = t.saved(3, 4);
      t.exec().fill(numbers.flat(), 2);
      const auto c = t.constant(numbers);
      return weighted_output(t, first ? concatenate(t, c, v[x]) : concatenate(t, v[x], c), key);
    }),
           shape_text(first));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(join_rows_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const index_t width : {1, 3, 17}) {
    gradient_check check(exec, 47);
    const auto a = check.input("a", 3, width), b = check.input("b", 1, width), c = check.input("c", 2, width);
    const std::vector<std::vector<token_t>> rows{{4, 0, 2}, {5}, {1, 3}};
    expect(check.run([&](auto& t, auto& v) {
      return weighted_output(t, join_rows(t, parts_of(t, {v[a], v[b], v[c]}, rows), 6), key);
    }),
           shape_text(width));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(join_rows_of_one_variable_twice_and_of_one_part, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  gradient_check check(exec, 48);
  const auto x = check.input("x", 2, 3);
  expect(check.run([&](auto& t, auto& v) {
    return weighted_output(t, join_rows(t, parts_of(t, {v[x], v[x]}, {{3, 1}, {0, 2}}), 4), key);
  }),
         "twice");
  expect(check.run([&](auto& t, auto& v) {
    return weighted_output(t, join_rows(t, parts_of(t, {v[x]}, {{1, 0}}), 2), key);
  }),
         "one");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(join_rows_names_what_does_not_fit, Exec, test_support::double_policies) {
  Exec exec;
  tape<Exec> t(exec);
  const auto a = t.variable(2, 3), b = t.variable(1, 3), wide = t.variable(1, 4);
  for (const auto x : {a, b, wide}) exec.fill(x.value().flat(), 1);
  const auto refused = [&](std::vector<var<Exec>> parts, std::vector<std::vector<token_t>> rows, index_t count,
                           const char* word) {
    BOOST_CHECK_EXCEPTION(join_rows(t, parts_of(t, parts, rows), count), shape_error,
                          [&](const shape_error& e) { return mentions(e, word); });
  };
  refused({a, b}, {{0, 1}, {2}}, 4, "rows of all parts");
  refused({a, b}, {{0}, {2}}, 3, "rows of a part");
  refused({a, wide}, {{0, 1}, {2}}, 3, "columns");
}

// One gradient passed on, and one added to what is there.
BOOST_AUTO_TEST_CASE_TEMPLATE(reshape_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto& [rows, cols, into] :
       {std::array<index_t, 3>{6, 4, 3}, {1, 1, 1}, {4, 3, 12}, {2, 5, 1}, {3, 2, 3}}) {
    gradient_check check(exec, 49);
    const auto x = check.input("x", rows, cols);
    expect(check.run([&](auto& t, auto& v) { return weighted_output(t, reshape(t, v[x], into), key); }),
           shape_text(rows, cols, into));
    const index_t width = rows * cols / into;
    const auto w = check.parameters().declare("w", {2, width}, drawn);
    expect(check.run([&](auto& t, auto& v) {
      auto y = reshape(t, v[x], into);
      return weighted_output(t, linear(t, y, w), key) + weighted_output(t, multiply(t, y, y), {3, 0, stream::test});
    }),
           shape_text(rows, cols, into) + "used twice");
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(reshape_shares_the_memory_and_refuses_other_sizes, Exec, test_support::double_policies) {
  Exec exec;
  tape<Exec> t(exec);
  const auto x = t.variable(4, 6);
  exec.fill(x.value().flat(), 1);
  const auto y = reshape(t, x, 3);
  BOOST_TEST(y.value().data == x.value().data);
  BOOST_TEST(y.rows() == 3);
  BOOST_TEST(y.cols() == 8);
  for (const index_t rows : {5, 0, -4}) BOOST_CHECK_THROW(reshape(t, x, rows), shape_error);
}
