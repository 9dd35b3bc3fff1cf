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
