// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE exec_cpu_memory
#include <boost/test/unit_test.hpp>

#include "exec/operation_cases.hpp"
#include "support/count_allocations.hpp"
#include "transfusion/exec/cpu.hpp"

using test_support::counted, test_support::counting;
using namespace operation_cases;

namespace {

template <class Scalar>
void count_repeats(int threads) {
  cpu_exec<Scalar> exec(threads);
  for (const auto& c : all<cpu_exec<Scalar>>())
    for (unsigned seed = 0; seed < 10; ++seed) {
      trial<cpu_exec<Scalar>> t(exec, seed);
      t.before_repeat = [] {
        counted = 0;
        counting = true;
      };
      t.after_repeat = [] { counting = false; };
      c.run(t);
      BOOST_CHECK_MESSAGE(counted == 0, c.name << ", seed " << seed << ": " << counted << " allocations");
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_counter_counts) {
  counted = 0;
  counting = true;
  void* volatile p = ::operator new(100);
  void* volatile q = ::operator new (100, std::align_val_t{64});
  counting = false;
  ::operator delete(p);
  ::operator delete (q, std::align_val_t{64});
  BOOST_TEST(counted >= 2);
}
BOOST_AUTO_TEST_CASE(a_repeated_call_allocates_nothing) {
  count_repeats<float>(1);
  count_repeats<float>(2);
  count_repeats<double>(2);
}
BOOST_AUTO_TEST_CASE(blocks_are_counted_and_aligned) {
  cpu_exec<float> exec(1);
  void* p = exec.allocate(1000);
  BOOST_TEST(exec.allocations() == 1);
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(p) % 64 == 0u);
  exec.deallocate(p, 1000);
  BOOST_CHECK_THROW(exec.allocate(std::size_t{1} << 62), device_error);
  BOOST_TEST(exec.allocations() == 1);
}
