// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdlib>
#include <new>

// Counts every block of host memory that this program takes while counting is on: operator new and glibc's own
// functions, or operator new alone where a sanitizer owns the rest. Include in one source file of an executable.
namespace test_support {

inline std::atomic<bool> counting{false};
inline std::atomic<long> counted{0};

/// How many blocks f takes.
template <class F>
long allocations_in(F f) {
  counted = 0;
  counting = true;
  f();
  counting = false;
  return counted;
}

inline void* note(void* p) {
  if (counting) ++counted;
  return p;
}

}  // namespace test_support

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_SUPPORT_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define TEST_SUPPORT_SANITIZED
#endif

#ifndef TEST_SUPPORT_SANITIZED
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t n) { return test_support::note(__libc_malloc(n)); }
void* calloc(std::size_t n, std::size_t size) { return test_support::note(__libc_calloc(n, size)); }
void* realloc(void* p, std::size_t n) { return test_support::note(__libc_realloc(p, n)); }
void* memalign(std::size_t alignment, std::size_t n) { return test_support::note(__libc_memalign(alignment, n)); }
void* aligned_alloc(std::size_t alignment, std::size_t n) { return test_support::note(__libc_memalign(alignment, n)); }
int posix_memalign(void** p, std::size_t alignment, std::size_t n) noexcept {
  *p = test_support::note(__libc_memalign(alignment, n));
  return *p ? 0 : 12;
}
}
#else
// Not inlined: g++ would take malloc and operator delete, or free and operator new, for a mismatched pair.
#define TEST_SUPPORT_WHOLE __attribute__((noinline))
TEST_SUPPORT_WHOLE void* operator new(std::size_t n) { return test_support::note(std::malloc(n ? n : 1)); }
TEST_SUPPORT_WHOLE void* operator new(std::size_t n, std::align_val_t a) {
  const std::size_t alignment = static_cast<std::size_t>(a);
  return test_support::note(std::aligned_alloc(alignment, (n + alignment - 1) / alignment * alignment));
}
TEST_SUPPORT_WHOLE void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return operator new(n, a);
}
TEST_SUPPORT_WHOLE void operator delete(void* p) noexcept { std::free(p); }
TEST_SUPPORT_WHOLE void operator delete(void* p, std::size_t) noexcept { std::free(p); }
TEST_SUPPORT_WHOLE void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
TEST_SUPPORT_WHOLE void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
#endif
