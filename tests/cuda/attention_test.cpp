// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_attention
#include <boost/test/unit_test.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "cuda/attention_problem.hpp"
#include "transfusion/cuda/attention.cuh"
#include "transfusion/cuda/memory.cuh"
#include "transfusion/exec/reference.hpp"

using namespace cuda_tests;

namespace {

/// Device memory with host contents.
template <class T, class Exec>
class on_device {
 public:
  template <class From>
  on_device(Exec& exec, const std::vector<From>& x) : exec_(exec), size_(x.size()) {
    data_ = static_cast<T*>(exec.allocate(size_ * sizeof(T)));
    std::vector<T> narrow(size_);
    for (std::size_t i = 0; i < size_; ++i) narrow[i] = T(x[i]);
    exec.upload(data_, narrow.data(), size_ * sizeof(T));
  }
  ~on_device() { exec_.deallocate(data_, size_ * sizeof(T)); }
  on_device(const on_device&) = delete;
  T* data() const { return data_; }
  std::vector<T> download() const {
    std::vector<T> x(size_);
    exec_.download(x.data(), data_, size_ * sizeof(T));
    return x;
  }

 private:
  Exec& exec_;
  std::size_t size_;
  T* data_;
};

/// Runs `attend(exec, o, lse, q, k, v, keys)` on poisoned outputs.
template <class T, class F>
result<float> run_with(const problem& p, F attend) {
  using exec_type = cuda_exec<T>;
  exec_type exec;
  const index_t width = p.shape.heads * p.shape.head_width, key_width = p.shape.kv_heads * p.shape.head_width;
  const on_device<T, exec_type> q(exec, p.q), k(exec, p.k), v(exec, p.v),
      o(exec, std::vector<float>(p.q.size(), no_number));
  const on_device<float, exec_type> lse(
      exec, std::vector<float>(static_cast<std::size_t>(p.rows * p.shape.heads), no_number));
  const on_device<key_interval, exec_type> table(exec, p.table);
  attend(exec, view<T, 2>(o.data(), p.rows, width), view<float, 2>(lse.data(), p.rows, p.shape.heads),
         view<const T, 2>(q.data(), p.rows, width), view<const T, 2>(k.data(), p.keys, key_width),
         view<const T, 2>(v.data(), p.keys, key_width), key_intervals(table.data(), p.rows, p.intervals));
  const std::vector<T> found = o.download();
  return {{found.begin(), found.end()}, lse.download()};
}

template <class T>
result<float> run(const problem& p) {
  return run_with<T>(p, [&](auto& exec, auto o, auto lse, auto q, auto k, auto v, auto keys) {
    exec.attention(o, lse, q, k, v, keys, p.shape);
  });
}

/// The kernel for many rows, whatever the shape.
template <int Width>
result<float> run_wide(const problem& p) {
  return run_with<bf16>(p, [&](auto&, auto o, auto lse, auto q, auto k, auto v, auto keys) {
    detail::cuda_context context;
    cuda::forward::operands x = {.o = o.data, .lse = lse.data, .q = q.data, .k = k.data, .v = v.data};
    x.keys = keys.data;
    x.intervals = static_cast<int>(p.intervals);
    x.rows = p.rows, x.key_rows = p.keys;
    x.heads = static_cast<int>(p.shape.heads), x.kv_heads = static_cast<int>(p.shape.kv_heads);
    x.scale = static_cast<float>(p.shape.scale * std::log2(std::exp(1.0)));
    cuda::launch_forward<Width, 32, false>(context, x);
  });
}

template <class T>
void judge(const problem& p) {
  judge<T>(p, run<T>(p), std::is_same_v<T, bf16> && cuda::fits_tensor_cores(p.shape));
}

template <class T>
void sweep(std::vector<index_t> widths, int rounds) {
  std::mt19937 random(11);
  const auto pick = [&](const std::vector<index_t>& from) { return from[random() % from.size()]; };
  unsigned seed = 0;
  for (index_t width : widths)
    for (mask kind : every_mask)
      for (int round = 0; round < rounds; ++round) {
        const index_t kv_heads = pick({1, 2}), keys = pick({1, 2, 16, 63, 64, 65, 100, 129, 200});
        const index_t rows = random() % 2 ? keys : pick({1, 3, 15, 17, 64, 70, 130});
        problem p(rows, keys, heads(kv_heads * pick({1, 2, 4}), kv_heads, width), seed += 3);
        set_mask(p, kind, seed);
        BOOST_TEST_CONTEXT("width " << width << ", mask " << static_cast<int>(kind) << ", rows " << rows << ", keys "
                                    << keys << ", heads " << p.shape.heads << ", key heads " << kv_heads)
        judge<T>(p);
      }
}

#ifndef __CUDACC__
// On the emulator device memory is the host's: keys or values of which each row is one page, and the pages of the rows
// that nobody sees cannot be read. A read of one ends the test.
class guarded_rows {
 public:
  guarded_rows(cuda_exec<bf16>& exec, const problem& p) : exec_(exec), rows_(p.keys) {
    memory_ = exec.allocate(bytes());
    const auto address = reinterpret_cast<std::uintptr_t>(memory_);
    first_ = reinterpret_cast<bf16*>((address + page - 1) / page * page);
    std::mt19937 random(7);
    for (index_t i = 0; i < matrix().size(); ++i) first_[i] = bf16(std::normal_distribution<float>()(random));
    for (index_t key = 0; key < p.keys; ++key) {
      bool seen = false;
      for (index_t n = 0; n < p.rows; ++n) seen = seen || p.sees(n, key);
      if (!seen) BOOST_REQUIRE(mprotect(matrix().row(key), page, PROT_NONE) == 0);
    }
  }
  ~guarded_rows() {
    mprotect(first_, page * static_cast<std::size_t>(rows_), PROT_READ | PROT_WRITE);
    exec_.deallocate(memory_, bytes());
  }
  guarded_rows(const guarded_rows&) = delete;
  view<bf16, 2> matrix() const { return {first_, rows_, static_cast<index_t>(page / sizeof(bf16))}; }

 private:
  static constexpr std::size_t page = 4096;
  std::size_t bytes() const { return page * static_cast<std::size_t>(rows_ + 1); }
  cuda_exec<bf16>& exec_;
  index_t rows_;
  void* memory_;
  bf16* first_;
};
#endif

}  // namespace

BOOST_AUTO_TEST_CASE(tensor_cores_match_the_reference) {
  sweep<bf16>({32, 64, 128}, 4);
  BOOST_TEST_MESSAGE("largest share of the allowed error: " << worst_share);
}
BOOST_AUTO_TEST_CASE(plain_bf16_matches_the_reference) { sweep<bf16>({24, 80}, 2); }
BOOST_AUTO_TEST_CASE(plain_float_matches_the_reference) {
  worst_share = 0;
  sweep<float>({1, 24, 64, 80, 256}, 2);
  BOOST_TEST_MESSAGE("largest share of the allowed error: " << worst_share);
}

// Every small size, where edges meet.
BOOST_AUTO_TEST_CASE(all_sizes_near_a_tile) {
  unsigned seed = 1000;
  for (index_t rows : {1, 7, 16, 48, 63, 64, 65, 66, 127, 128})
    for (index_t keys : {1, 8, 63, 64, 65, 127, 128, 129}) {
      problem p(rows, keys, heads(1, 1, 32), seed += 3);
      set_mask(p, mask::causal, seed);
      judge<bf16>(p);
    }
}

// 32 rows a warp give the same bits as 16: tiles that a row does not see change nothing.
BOOST_AUTO_TEST_CASE(wide_blocks_give_the_bits_of_narrow_ones) {
  unsigned seed = 2000;
  const auto same = [&]<int Width>(std::integral_constant<int, Width>) {
    for (mask kind : every_mask) {
      problem p(170, 230, heads(2, 1, Width), seed += 3);
      set_mask(p, kind, seed);
      const auto narrow = run<bf16>(p), wide = run_wide<Width>(p);
      BOOST_TEST(std::memcmp(narrow.o.data(), wide.o.data(), wide.o.size() * sizeof(float)) == 0);
      BOOST_TEST(std::memcmp(narrow.lse.data(), wide.lse.data(), wide.lse.size() * sizeof(float)) == 0);
      judge<bf16>(p, wide, true);
    }
  };
  same(std::integral_constant<int, 32>());
  same(std::integral_constant<int, 64>());
  same(std::integral_constant<int, 128>());
}

BOOST_AUTO_TEST_CASE(enough_rows_take_the_wide_kernel) {
  problem p(20, 20, heads(280, 280, 32), 77);
  set_mask(p, mask::documents, 77);
  judge<bf16>(p);
}

// A few rows against many keys: cut over the keys.
BOOST_AUTO_TEST_CASE(split_keys_match_the_reference) {
  static_assert(cuda::forward::key_parts(1, 64 * 4) == 1 && cuda::forward::key_parts(1, 64 * 8) == 2);
  static_assert(cuda::forward::key_parts(1, 1 << 20) == 64 && cuda::forward::key_parts(16, 1 << 20) == 16);
  static_assert(cuda::forward::key_parts(0, 1 << 20) == 1 && cuda::forward::key_parts(264, 1 << 20) == 1);
  unsigned seed = 3000;
  for (index_t width : {32, 64, 128})
    for (mask kind : every_mask)
      for (index_t rows : {1, 5, 66}) {
        problem p(rows, 1100, heads(4, 2, width), seed += 3);
        BOOST_REQUIRE(cuda::forward::key_parts((rows + 63) / 64 * 4, p.keys) == 4);
        set_mask(p, kind, seed);
        judge<bf16>(p);
      }
}

// Two sequences of one cache, far apart: parts of the list may hold no tile that anyone sees.
BOOST_AUTO_TEST_CASE(split_keys_with_gaps_between_sequences) {
  problem p(6, 2000, heads(2, 1, 64), 5);
  for (index_t n = 0; n < 6; ++n)
    p.table.push_back(n < 3    ? key_interval::of(10, 90 + n)
                      : n == 3 ? key_interval{}
                               : key_interval::of(1900, 1990 + n));
  judge<bf16>(p);
}

BOOST_AUTO_TEST_CASE(repeats_give_the_same_bits) {
  unsigned seed = 4000;
  for (index_t keys : {150, 900}) {
    problem p(40, keys, heads(4, 2, 64), seed += 3);
    set_mask(p, mask::documents, seed);
    const auto one = run<bf16>(p), two = run<bf16>(p);
    BOOST_TEST(std::memcmp(one.o.data(), two.o.data(), one.o.size() * sizeof(float)) == 0);
    BOOST_TEST(std::memcmp(one.lse.data(), two.lse.data(), one.lse.size() * sizeof(float)) == 0);
  }
}

// Keys that no row sees hold NaN: nothing of it reaches a result.
BOOST_AUTO_TEST_CASE(unseen_keys_may_hold_anything) {
  unsigned seed = 5000;
  const auto check = [&](problem p, mask kind, auto scalar) {
    set_mask(p, kind, seed);
    problem poisoned = p;
    const index_t width = p.shape.kv_heads * p.shape.head_width;
    for (index_t key = 0; key < p.keys; ++key) {
      bool seen = false;
      for (index_t n = 0; n < p.rows; ++n) seen = seen || p.sees(n, key);
      if (seen) continue;
      std::fill_n(poisoned.k.begin() + key * width, width, no_number);
      std::fill_n(poisoned.v.begin() + key * width, width, no_number);
    }
    const auto clean = run<decltype(scalar)>(p), found = run<decltype(scalar)>(poisoned);
    BOOST_TEST(std::memcmp(clean.o.data(), found.o.data(), clean.o.size() * sizeof(float)) == 0);
    BOOST_TEST(std::memcmp(clean.lse.data(), found.lse.data(), clean.lse.size() * sizeof(float)) == 0);
  };
  for (mask kind : every_mask) {
    check(problem(20, 300, heads(2, 2, 32), seed += 3), kind, bf16());
    check(problem(3, 900, heads(2, 2, 128), seed += 3), kind, bf16());
    check(problem(20, 100, heads(2, 2, 24), seed += 3), kind, float());
  }
}

#ifndef __CUDACC__
BOOST_AUTO_TEST_CASE(unseen_keys_are_never_read) {
  BOOST_REQUIRE(sysconf(_SC_PAGESIZE) == 4096);
  for (index_t rows : {9, 300})  // cut over the keys, and not
    for (mask kind : {mask::documents, mask::hole, mask::anything}) {
      problem p(rows, 700, heads(16, 16, 128), 12);
      p.k.clear(), p.v.clear();
      set_mask(p, kind, 12);
      for (key_interval& i : p.table)  // a place in the middle that nobody sees
        if (i.end > 333 && i.begin < 470) i.end = std::min(i.end, token_t{333}), i.begin = std::min(i.begin, i.end);
      run_with<bf16>(p, [&](auto& exec, auto o, auto lse, auto q, auto, auto, auto keys) {
        const guarded_rows k(exec, p), v(exec, p);
        exec.attention(o, lse, q, k.matrix(), v.matrix(), keys, p.shape);
        exec.synchronize();
      });
    }
}
#endif

// A row's bits do not change with keys that it does not see, though its neighbours in the block see them.
BOOST_AUTO_TEST_CASE(later_keys_change_no_bit_of_earlier_rows) {
  constexpr index_t changed = 101, width = 64;
  problem p(150, 150, heads(1, 1, width), 6);
  for (index_t n = 0; n < p.rows; ++n) p.table.push_back(key_interval::of(0, n + 1));
  problem q = p;
  for (std::size_t i = changed * width; i < p.k.size(); ++i) q.k[i] *= 2, q.v[i] *= -4;
  const auto before = run<bf16>(p), after = run<bf16>(q);
  BOOST_TEST(std::memcmp(before.o.data(), after.o.data(), changed * width * sizeof(float)) == 0);
  for (index_t n = changed; n < p.rows; ++n)
    BOOST_TEST(std::memcmp(before.o.data() + n * width, after.o.data() + n * width, width * sizeof(float)) != 0);
}

// Scores of some hundreds, rising along the keys: the running largest keeps every exponential finite.
BOOST_AUTO_TEST_CASE(large_scores_stay_finite) {
  problem p(70, 200, heads(1, 1, 64), 8);
  for (index_t j = 0; j < p.keys; ++j)
    for (index_t c = 0; c < 64; ++c) {
      float& x = p.k[static_cast<std::size_t>(j * 64 + c)];
      x = bf16(x * static_cast<float>(1 + j));
    }
  set_mask(p, mask::bidirectional, 8);
  const auto found = run<bf16>(p);
  const auto right = expected(p);
  for (std::size_t i = 0; i < right.o.size(); ++i)
    BOOST_REQUIRE_SMALL(found.o[i] - right.o[i], limit<bf16>("attention_large_scores"));
}

BOOST_AUTO_TEST_CASE(a_scale_below_zero_is_served) {
  problem p(30, 40, {2, 1, 32, -0.3}, 9);
  set_mask(p, mask::documents, 9);
  judge<bf16>(p);
}

BOOST_AUTO_TEST_CASE(no_rows_and_no_keys) {
  problem none(0, 10, heads(2, 1, 64), 1), empty(3, 0, heads(2, 1, 64), 1);
  BOOST_TEST(run<bf16>(none).o.empty());
  empty.table.assign(3, key_interval{});
  judge<bf16>(empty);
  judge<float>(empty);
}

BOOST_AUTO_TEST_CASE(too_wide_heads_are_refused) {
  problem p(1, 1, heads(1, 1, 257), 1);
  p.table.assign(1, key_interval::of(0, 1));
  BOOST_CHECK_EXCEPTION(run<float>(p), config_error, [](const config_error& e) {
    const std::string text = e.what();
    return text.find("257") != text.npos && text.find("256") != text.npos;
  });
}

BOOST_AUTO_TEST_CASE(nobody_may_want_the_log_sum) {
  problem p(20, 20, heads(1, 1, 64), 10);
  set_mask(p, mask::causal, 10);
  const auto with = run<bf16>(p);
  const auto without = run_with<bf16>(p, [&](auto& exec, auto o, auto, auto q, auto k, auto v, auto keys) {
    exec.attention(o, {}, q, k, v, keys, p.shape);
  });
  BOOST_TEST(std::memcmp(with.o.data(), without.o.data(), with.o.size() * sizeof(float)) == 0);
}
