// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE exec_cpu_crew
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <vector>

#include "transfusion/exec/cpu/crew.hpp"

using namespace transfusion;

namespace {

/// Runs many short lists of alternating lengths; returns how many tasks did not run exactly once.
long faults(int workers, index_t shorter, index_t longer, int lists) {
  detail::worker_crew crew(workers);
  std::vector<std::atomic<int>> runs(static_cast<std::size_t>(longer));
  long wrong = 0;
  for (int list = 0; list < lists; ++list) {
    const index_t count = list % 2 ? longer : shorter;
    for (auto& r : runs) r.store(0, std::memory_order_relaxed);
    crew.run(count, [&](index_t i, int) { runs[static_cast<std::size_t>(i)].fetch_add(1, std::memory_order_relaxed); });
    for (index_t i = 0; i < longer; ++i) wrong += runs[static_cast<std::size_t>(i)].load() != (i < count);
  }
  return wrong;
}

}  // namespace

// A worker that comes late to a short list, as the next and longer one is being published, must take nothing twice.
BOOST_AUTO_TEST_CASE(every_task_runs_once) {
  for (int workers : {1, 2, 3, 7}) BOOST_TEST(faults(workers, 2, 64, 50000) == 0);
}
BOOST_AUTO_TEST_CASE(one_task_lists) { BOOST_TEST(faults(3, 1, 2, 200000) == 0); }

BOOST_AUTO_TEST_CASE(threads_are_numbered) {
  detail::worker_crew crew(3);
  std::atomic<bool> fine{true};
  for (int list = 0; list < 1000; ++list)
    crew.run(16, [&](index_t, int thread) {
      if (thread < 0 || thread > 3) fine = false;
    });
  BOOST_TEST(fine.load());
}
