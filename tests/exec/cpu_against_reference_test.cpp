// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE exec_cpu_against_reference
#include <boost/test/unit_test.hpp>

#include "exec/operation_cases.hpp"
#include "transfusion/exec/cpu.hpp"

using namespace operation_cases;

namespace {

constexpr unsigned shapes_each = 40;

/// Every operation on random shapes: the policy's outputs against those of reference_exec<double>.
template <class Scalar>
void compare(bool in_double) {
  cpu_exec<Scalar> exec(2);
  reference_exec<double> reference;
  const auto cases = all<cpu_exec<Scalar>>();
  const auto expected_cases = all<reference_exec<double>>();
  for (std::size_t c = 0; c < cases.size(); ++c) {
    double worst = 0;
    unsigned worst_seed = 0;
    for (unsigned seed = 0; seed < shapes_each; ++seed) {
      trial<cpu_exec<Scalar>> found(exec, seed);
      trial<reference_exec<double>> expected(reference, seed);
      cases[c].run(found);
      expected_cases[c].run(expected);
      BOOST_REQUIRE_EQUAL(found.outputs().size(), expected.outputs().size());
      for (std::size_t i = 0; i < found.outputs().size(); ++i) {
        const double error = normalised_error(found.outputs()[i], expected.outputs()[i], cases[c].smallest);
        if (error > worst) {
          worst = error;
          worst_seed = seed;
        }
      }
    }
    const double limit = in_double ? double_limit : cases[c].float_limit;
    BOOST_TEST_MESSAGE(cases[c].name << ": error " << worst << ", limit " << limit);
    BOOST_CHECK_MESSAGE(worst <= limit,
                        cases[c].name << ", seed " << worst_seed << ": error " << worst << ", limit " << limit);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(float_matches_the_reference) { compare<float>(false); }
BOOST_AUTO_TEST_CASE(double_matches_the_reference) { compare<double>(true); }

// A vocabulary whose logits are worked out in more than one chunk of rows.
BOOST_AUTO_TEST_CASE(the_head_in_chunks_matches_the_reference) {
  const auto losses = [](auto& exec) {
    using T = typename std::remove_reference_t<decltype(exec)>::scalar;
    trial<std::remove_reference_t<decltype(exec)>> t(exec, 1);
    constexpr index_t rows = 300, width = 2, vocabulary = 65537;
    auto x = t.input(rows, width), w = t.input(vocabulary, width);
    auto targets = t.tokens(rows, vocabulary, 7);
    auto weights = t.positive(rows);
    auto loss = t.poisoned(1, rows), log_z = t.poisoned(1, rows), dx = t.poisoned(rows, width);
    auto dw = t.filled(vocabulary, width);
    exec.cross_entropy(loss.flat(), log_z.flat(), dx, dw, x, w, targets, weights, 0.0, 0.0);
    std::vector<std::vector<double>> outputs;
    for (view<T, 1> o : t.outputs()) outputs.emplace_back(o.data, o.data + o.size());
    return outputs;
  };
  cpu_exec<float> exec(2);
  reference_exec<double> reference;
  const auto found = losses(exec), expected = losses(reference);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const view<const double, 1> a(found[i].data(), std::ssize(found[i])),
        b(expected[i].data(), std::ssize(expected[i]));
    BOOST_TEST(normalised_error(a, b, 1e-30) < 1e-5);
  }
}
