// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE exec_cpu_threads
#include <boost/test/unit_test.hpp>

#include "exec/operation_cases.hpp"
#include "transfusion/exec/cpu.hpp"

using namespace operation_cases;

namespace {

template <class T>
bool same_bits(view<T, 1> a, view<T, 1> b) {
  if (a.size() != b.size()) return false;
  return a.size() == 0 || std::memcmp(a.data, b.data, static_cast<std::size_t>(a.size()) * sizeof(T)) == 0;
}

template <class Scalar>
void compare() {
  cpu_exec<Scalar> one(1), two(2), three(3);
  for (const auto& c : all<cpu_exec<Scalar>>())
    for (unsigned seed = 0; seed < 12; ++seed) {
      trial<cpu_exec<Scalar>> expected(one, seed);
      c.run(expected);
      for (cpu_exec<Scalar>* exec : {&two, &three, &three}) {
        trial<cpu_exec<Scalar>> found(*exec, seed);
        c.run(found);
        for (std::size_t i = 0; i < found.outputs().size(); ++i)
          BOOST_CHECK_MESSAGE(same_bits(found.outputs()[i], expected.outputs()[i]),
                              c.name << ", seed " << seed << ", output " << i << ", " << exec->threads() << " threads");
      }
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(threads_are_those_asked_for) {
  BOOST_TEST(cpu_exec<float>(3).threads() == 3);
  BOOST_TEST(cpu_exec<float>().threads() >= 1);
}
BOOST_AUTO_TEST_CASE(float_bits_do_not_depend_on_the_threads) { compare<float>(); }
BOOST_AUTO_TEST_CASE(double_bits_do_not_depend_on_the_threads) { compare<double>(); }
