// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <system_error>
#include <thread>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/types.hpp"

namespace transfusion::detail {

/// Worker threads that help their owner through a list of numbered tasks. Unlike a fork and join, the owner waits for
/// tasks that were begun, not for workers: one that the operating system holds back finds nothing left to do and delays
/// nobody. One owner at a time.
class worker_crew {
 public:
  explicit worker_crew(int workers) {
    try {
      for (int i = 0; i < workers; ++i) threads_.emplace_back([this, i] { work(i + 1); });
    } catch (const std::system_error& fault) {
      const std::size_t started = threads_.size();
      close();
      throw device_error(message("threads: found room for ", started, " beside the caller's, expected ", workers, " (",
                                 fault.what(), ")"));
    }
  }
  worker_crew(const worker_crew&) = delete;
  worker_crew& operator=(const worker_crew&) = delete;
  ~worker_crew() { close(); }

  /// Calls f(i, thread) once for every i < count; thread 0 is the caller.
  template <class F>
  void run(index_t count, const F& f) {
    if (count <= 0) return;
    publish([](const void* g, index_t i, int thread) { (*static_cast<const F*>(g))(i, thread); }, &f,
            static_cast<std::uint32_t>(count));
    take_tasks(0);
    for (int spins = 0; finished_.load(std::memory_order_acquire) != static_cast<std::uint32_t>(count); ++spins)
      pause(spins);
  }

 private:
  using invoke = void (*)(const void*, index_t, int);
  static constexpr std::uint32_t closing = 0;  // a list of no tasks ends the workers
  static constexpr int patience = 4000;        // spins before a worker sleeps: some tens of microseconds

  /// What is being handed out: the number of the list above, how many of its tasks are left below. One word, so that a
  /// worker with an old list in mind can take nothing from a new one, nor take a finished list for an unfinished one.
  static std::uint64_t word(std::uint32_t list, std::uint32_t left) { return std::uint64_t{list} << 32 | left; }

  void close() {
    publish(nullptr, nullptr, closing);
    for (std::thread& t : threads_) t.join();
  }

  void publish(invoke f, const void* context, std::uint32_t count) {
    invoke_.store(f, std::memory_order_relaxed);
    context_.store(context, std::memory_order_relaxed);
    count_.store(count, std::memory_order_relaxed);
    finished_.store(0, std::memory_order_relaxed);
    left_.store(word(++list_, count), std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) left_.notify_all();
  }

  void take_tasks(int thread) {
    std::uint64_t seen = left_.load(std::memory_order_acquire);
    while (static_cast<std::uint32_t>(seen) > 0) {
      const invoke f = invoke_.load(std::memory_order_relaxed);
      const void* context = context_.load(std::memory_order_relaxed);
      const std::uint32_t count = count_.load(std::memory_order_relaxed);
      // Success proves that all three belong to the list of `seen`: it is not finished while this task is not.
      if (!left_.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      f(context, count - static_cast<std::uint32_t>(seen), thread);
      finished_.fetch_add(1, std::memory_order_release);
      --seen;
    }
  }

  void work(int thread) {
    std::uint32_t known = 0;
    while (true) {
      known = wait_for_list(known);
      if (count_.load(std::memory_order_relaxed) == closing) return;
      take_tasks(thread);
    }
  }

  std::uint32_t wait_for_list(std::uint32_t known) {
    std::uint64_t now = left_.load(std::memory_order_acquire);
    for (int spins = 0; static_cast<std::uint32_t>(now >> 32) == known; ++spins) {
      if (spins < patience) {
        pause(0);
      } else {
        sleepers_.fetch_add(1, std::memory_order_seq_cst);
        left_.wait(now, std::memory_order_seq_cst);
        sleepers_.fetch_sub(1, std::memory_order_seq_cst);
      }
      now = left_.load(std::memory_order_acquire);
    }
    return static_cast<std::uint32_t>(now >> 32);
  }

  static void pause(int spins) {
    if (spins > patience) {
      std::this_thread::yield();
      return;
    }
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
  }

  alignas(64) std::atomic<std::uint64_t> left_{0};
  alignas(64) std::atomic<std::uint32_t> finished_{0};
  alignas(64) std::atomic<invoke> invoke_{nullptr};
  std::atomic<const void*> context_{nullptr};
  std::atomic<std::uint32_t> count_{1};
  std::atomic<int> sleepers_{0};
  std::uint32_t list_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace transfusion::detail
