// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "emulator/async_copy.hpp"
#include "emulator/fiber.hpp"
#include "emulator/shared_memory.hpp"
#include "emulator/vector_types.hpp"

inline uint3 threadIdx{}, blockIdx{};
inline dim3 blockDim{}, gridDim{};
constexpr int warpSize = 32;

namespace emulator {

/// Where a call stands. (Not std::source_location, which clang++ 14 does not have.)
struct place {
  const char* file = nullptr;
  const char* function = nullptr;
  int line = 0;

  static constexpr place current(const char* file = __builtin_FILE(), const char* function = __builtin_FUNCTION(),
                                 int line = __builtin_LINE()) {
    return {file, function, line};
  }
};
/// Computes what a warp computes together from the records of the lanes in the mask (others are null).
using operation = void (*)(void* const* records, unsigned lanes);
/// Calls the kernel once, with its arguments.
using body = void (*)(const void* arguments);

inline std::string text(uint3 v) {
  return "(" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
}
inline std::string text(const place& at) {
  return std::string(at.file) + ":" + std::to_string(at.line) + " in " + at.function;
}

/// Which of the threads that can run goes first. A race shows in one order or another.
enum class order { forward, backward, random };

inline order order_asked_for() {
  const char* text = std::getenv("CUDA_EMULATOR_ORDER");
  const std::string asked = text ? text : "forward";
  return asked == "backward" ? order::backward : asked == "random" ? order::random : order::forward;
}

struct cuda_thread {
  enum class state { ready, at_barrier, at_collective, left };

  uint3 index{};
  int number = 0;
  state now = state::ready;
  fiber* on = nullptr;  // null: has not begun
  place where;          // of its latest barrier or collective
  unsigned mask = 0;
  operation work = nullptr;
  void* record = nullptr;
  int vote = 0;
  copy_queue copies;
};

/// One multiprocessor that runs one block at a time: a fiber a thread that has to wait, barriers and warp collectives
/// that wait for each other. Every misuse stops the launch with std::logic_error.
class machine {
 public:
  order threads_run = order_asked_for();
  shared_memory shared;

  void launch(dim3 grid, dim3 block, std::size_t dynamic_bytes, body kernel, const void* arguments) {
    kernel_ = kernel;
    arguments_ = arguments;
    gridDim = grid;
    blockDim = block;
    shared.begin_launch(dynamic_bytes);
    struct end {
      machine& m;
      ~end() { m.shared.end_launch(), m.running_ = nullptr; }
    } at_end{*this};
    for (unsigned z = 0; z < grid.z; ++z)
      for (unsigned y = 0; y < grid.y; ++y)
        for (unsigned x = 0; x < grid.x; ++x) run_block({x, y, z});
  }

  cuda_thread& self() { return *running_; }

  /// __syncthreads; the sum of the threads' votes.
  int barrier(int vote, const place& where) {
    cuda_thread& me = self();
    me.where = where;
    me.vote = vote;
    me.now = cuda_thread::state::at_barrier;
    if (left_ > 0) fail("waits at __syncthreads, but " + describe(any(cuda_thread::state::left)));
    if (++at_barrier_ == count_)
      open_barrier();
    else
      wait();
    return votes_;
  }

  /// Waits for all lanes of the mask that have not left; the last of them does the work for all.
  void collective(unsigned mask, operation work, void* record, const place& where) {
    cuda_thread& me = self();
    const unsigned bit = 1u << (me.number % 32);
    me.where = where;
    me.mask = mask;
    me.work = work;
    me.record = record;
    me.now = cuda_thread::state::at_collective;
    if (!(mask & bit)) fail("calls a warp function with a mask that does not name it");
    warp_of(me).waiting |= bit;
    if (!complete(me)) wait();
  }

  [[noreturn]] void fail(const std::string& what) const {
    const cuda_thread& me = *running_;
    const std::string where = me.where.line == 0 ? "" : text(me.where) + ": ";
    throw std::logic_error(where + "block " + text(blockIdx) + ", thread " + text(me.index) + " " + what);
  }

 private:
  struct warp {
    unsigned alive = 0, ready = 0, waiting = 0;
  };

  void run_block(uint3 index) {
    blockIdx = index;
    shared.begin_block();
    prepare_threads();
    resume(host_, pick());
    if (failure_) stop();
    if (!shared.intact())
      throw std::logic_error("block " + text(index) + " has written past the end of its dynamic shared memory");
  }

  void prepare_threads() {
    count_ = static_cast<int>(blockDim.x * blockDim.y * blockDim.z);
    left_ = at_barrier_ = 0;
    if (static_cast<int>(threads_.size()) < count_) threads_.resize(static_cast<std::size_t>(count_));
    warps_ = {};
    ready_warps_ = 0;
    warp_ = 0;
    int n = 0;
    for (unsigned z = 0; z < blockDim.z; ++z)
      for (unsigned y = 0; y < blockDim.y; ++y)
        for (unsigned x = 0; x < blockDim.x; ++x, ++n) {
          cuda_thread& t = threads_[static_cast<std::size_t>(n)];
          t.index = {x, y, z};
          t.number = n;
          t.on = nullptr;
          t.copies.clear();
          warp_of(t).alive |= 1u << (n % 32);
          make_ready(t);
        }
  }

  warp& warp_of(const cuda_thread& t) { return warps_[static_cast<std::size_t>(t.number / 32)]; }
  cuda_thread& in_warp_of(const cuda_thread& t, int lane) {
    return threads_[static_cast<std::size_t>(t.number / 32 * 32 + lane)];
  }

  void make_ready(cuda_thread& t) {
    t.now = cuda_thread::state::ready;
    warp_of(t).ready |= 1u << (t.number % 32);
    ready_warps_ |= 1u << (t.number / 32);
  }

  /// One of the bits, by its number.
  unsigned choose(unsigned bits) {
    if (threads_run == order::backward) return static_cast<unsigned>(31 - std::countl_zero(bits));
    if (threads_run == order::random)
      for (int drop = static_cast<int>(random_()) % std::popcount(bits); drop > 0; --drop) bits &= bits - 1;
    return static_cast<unsigned>(std::countr_zero(bits));
  }

  /// Takes a thread that can run, in order of the same warp where there is one; null where none can.
  cuda_thread* pick() {
    if (!ready_warps_) return nullptr;
    if (!warps_[warp_].ready || threads_run == order::random) warp_ = choose(ready_warps_);
    const unsigned lane = choose(warps_[warp_].ready);
    warps_[warp_].ready &= ~(1u << lane);
    if (!warps_[warp_].ready) ready_warps_ &= ~(1u << warp_);
    return &threads_[warp_ * 32 + lane];
  }

  void set_running(cuda_thread& t) {
    running_ = &t;
    threadIdx = t.index;
  }

  void resume(context& from, cuda_thread* t) {
    set_running(*t);
    if (!t->on) t->on = take_fiber();
    switch_context(from, *t->on);
  }

  void wait() {
    cuda_thread& me = self();
    cuda_thread* next = pick();
    if (!next) fail("can never go on: " + describe_all());
    resume(*me.on, next);
  }

  void open_barrier() {
    at_barrier_ = 0;
    votes_ = 0;
    for (int i = 0; i < count_; ++i) {
      cuda_thread& t = threads_[static_cast<std::size_t>(i)];
      if (!same_place(t, self())) fail("waits at another __syncthreads than " + describe(t));
      votes_ += t.vote;
      if (&t != running_) make_ready(t);
    }
    self().now = cuda_thread::state::ready;
  }

  bool complete(const cuda_thread& asker) {
    warp& w = warp_of(asker);
    const unsigned lanes = asker.mask & w.alive;
    if ((w.waiting & lanes) != lanes) return false;
    void* records[32] = {};
    for (int lane = 0; lane < 32; ++lane)
      if (lanes >> lane & 1) records[lane] = matching(asker, lane).record;
    asker.work(records, lanes);
    w.waiting &= ~lanes;
    for (int lane = 0; lane < 32; ++lane)
      if (lanes >> lane & 1) go_on_from_collective(in_warp_of(asker, lane));
    return true;
  }
  void go_on_from_collective(cuda_thread& t) {
    if (&t == running_)
      t.now = cuda_thread::state::ready;
    else
      make_ready(t);
  }
  const cuda_thread& matching(const cuda_thread& asker, int lane) {
    const cuda_thread& t = in_warp_of(asker, lane);
    if (t.work != asker.work || t.mask != asker.mask || !same_place(t, asker))
      fail("waits at another warp function, or with another mask, than " + describe(t));
    return t;
  }

  static bool same_place(const cuda_thread& a, const cuda_thread& b) { return a.where.line == b.where.line; }

  /// The running thread is done; the next to run, null where all have left.
  cuda_thread* leave() {
    cuda_thread& me = self();
    me.copies.wait(0);
    me.now = cuda_thread::state::left;
    ++left_;
    if (at_barrier_ > 0) fail("has left the kernel, but " + describe(any(cuda_thread::state::at_barrier)));
    warp& w = warp_of(me);
    w.alive &= ~(1u << (me.number % 32));
    for (int lane = 0; lane < 32; ++lane)  // those who wait for this lane alone go on without it
      if (w.waiting >> lane & 1) complete(in_warp_of(me, lane));
    cuda_thread* next = pick();
    if (!next && left_ < count_) fail("has left the kernel, and others can never go on: " + describe_all());
    return next;
  }

  cuda_thread* run_one() noexcept {
    try {
      self().where = place();
      kernel_(arguments_);
      return leave();
    } catch (...) {
      failure_ = std::current_exception();
      return nullptr;
    }
  }

  /// What a fiber does for ever: it runs the thread it was woken for, then threads that have not begun, then rests.
  void serve(fiber& me) {
    for (;;) {
      cuda_thread* next = run_one();
      if (next && !next->on) {
        next->on = &me;
        set_running(*next);
        continue;
      }
      idle_.push_back(&me);
      if (next)
        resume(me, next);
      else
        switch_context(me, host_);
    }
  }
  static void serve_fiber(void* which) {
    auto [m, f] = *static_cast<std::pair<machine*, fiber*>*>(which);
    m->serve(*f);
  }

  fiber* take_fiber() {
    if (idle_.empty()) add_fiber();
    fiber* f = idle_.back();
    idle_.pop_back();
    return f;
  }
  void add_fiber() {
    fibers_.push_back(std::make_unique<std::pair<fiber, std::pair<machine*, fiber*>>>());
    auto& [f, argument] = *fibers_.back();
    argument = {this, &f};
    f.prepare(serve_fiber, &argument);
    idle_.push_back(&f);
  }

  /// Gives up the block: what its threads' stacks hold is forgotten.
  [[noreturn]] void stop() {
    idle_.clear();
    for (auto& each : fibers_) {
      each->first.prepare(serve_fiber, &each->second);
      idle_.push_back(&each->first);
    }
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  const cuda_thread& any(cuda_thread::state s) const {
    for (int i = 0; i < count_; ++i)
      if (threads_[static_cast<std::size_t>(i)].now == s) return threads_[static_cast<std::size_t>(i)];
    return *running_;
  }
  static std::string describe(const cuda_thread& t) {
    const std::string name = "thread " + text(t.index);
    switch (t.now) {
      case cuda_thread::state::left:
        return name + " has left the kernel";
      case cuda_thread::state::at_barrier:
        return name + " waits at the __syncthreads of " + text(t.where);
      case cuda_thread::state::at_collective:
        return name + " waits at the warp function of " + text(t.where);
      default:
        return name + " can run";
    }
  }
  std::string describe_all() const {
    std::string s;
    for (auto state : {cuda_thread::state::left, cuda_thread::state::at_barrier, cuda_thread::state::at_collective}) {
      const cuda_thread& t = any(state);
      if (t.now == state) s += (s.empty() ? "" : "; ") + describe(t);
    }
    return s;
  }

  body kernel_ = nullptr;
  const void* arguments_ = nullptr;
  std::vector<cuda_thread> threads_;
  std::array<warp, 32> warps_;
  unsigned ready_warps_ = 0, warp_ = 0;
  int count_ = 0, left_ = 0, at_barrier_ = 0, votes_ = 0;
  cuda_thread* running_ = nullptr;
  context host_;
  std::vector<std::unique_ptr<std::pair<fiber, std::pair<machine*, fiber*>>>> fibers_;
  std::vector<fiber*> idle_;
  std::exception_ptr failure_;
  std::minstd_rand random_;
};

/// The one of this program.
inline machine& device() {
  static machine one;
  return one;
}

}  // namespace emulator
