// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE exec_cpu_memory
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstdlib>
#include <new>

#include "exec/operation_cases.hpp"
#include "transfusion/exec/cpu.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#endif

namespace {

std::atomic<bool> counting{false};
std::atomic<long> counted{0};

void* count(void* p) {
  if (counting) ++counted;
  return p;
}

}  // namespace

// Everything that hands out memory goes through these: operator new, and glibc's own where no sanitizer owns it.
#ifndef SANITIZED
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t n) { return count(__libc_malloc(n)); }
void* calloc(std::size_t n, std::size_t size) { return count(__libc_calloc(n, size)); }
void* realloc(void* p, std::size_t n) { return count(__libc_realloc(p, n)); }
void* memalign(std::size_t alignment, std::size_t n) { return count(__libc_memalign(alignment, n)); }
void* aligned_alloc(std::size_t alignment, std::size_t n) { return count(__libc_memalign(alignment, n)); }
int posix_memalign(void** p, std::size_t alignment, std::size_t n) {
  *p = count(__libc_memalign(alignment, n));
  return *p ? 0 : 12;
}
}
#else
void* operator new(std::size_t n) { return count(std::malloc(n ? n : 1)); }
void* operator new(std::size_t n, std::align_val_t a) {
  return count(std::aligned_alloc(static_cast<std::size_t>(a), (n + 63) / 64 * 64));
}
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept { return operator new(n, a); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
#endif

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
