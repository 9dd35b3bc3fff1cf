// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstddef>
#include <cstdint>
#include <new>

namespace emulator {

/// A place where execution can stop and go on: the host's own stack, or a fiber's.
struct context {
  jmp_buf registers;
};

/// Leaves `from`, which goes on when something switches back to it. Only registers move: no system call.
[[gnu::noinline]] inline void switch_context(context& from, context& to) {
  if (_setjmp(from.registers) == 0) _longjmp(to.registers, 1);
}

/// A stack on which `body(argument)`, which never returns, runs from the first switch on.
class fiber : public context {
 public:
  using function = void (*)(void*);

  fiber() {
    memory_ = mmap(nullptr, guard_bytes + stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    mprotect(memory_, guard_bytes, PROT_NONE);  // a kernel that needs more stack stops here
  }
  ~fiber() { munmap(memory_, guard_bytes + stack_bytes); }
  fiber(const fiber&) = delete;
  fiber& operator=(const fiber&) = delete;

  /// Forgets what ran here; the next switch to this fiber enters `body`.
  void prepare(function body, void* argument) {
    body_ = body;
    argument_ = argument;
    ucontext_t start, back;
    getcontext(&start);
    start.uc_stack.ss_sp = static_cast<char*>(memory_) + guard_bytes;
    start.uc_stack.ss_size = stack_bytes;
    start.uc_link = nullptr;
    const auto self = reinterpret_cast<std::uintptr_t>(this);
    back_ = &back;
    makecontext(&start, reinterpret_cast<void (*)()>(&enter), 2, static_cast<unsigned>(self),
                static_cast<unsigned>(static_cast<std::uint64_t>(self) >> 32));
    swapcontext(&back, &start);
  }

 private:
  static constexpr std::size_t guard_bytes = 4096, stack_bytes = 64 * 1024;

  static void enter(unsigned low, unsigned high) {
    const auto self = static_cast<std::uint64_t>(high) << 32 | low;
    reinterpret_cast<fiber*>(static_cast<std::uintptr_t>(self))->run();
  }
  void run() {
    if (_setjmp(registers) == 0) setcontext(back_);
    body_(argument_);
  }

  void* memory_;
  function body_ = nullptr;
  void* argument_ = nullptr;
  ucontext_t* back_ = nullptr;
};

}  // namespace emulator
