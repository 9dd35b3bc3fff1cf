// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE exec_cpu_attention
#include <boost/test/unit_test.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include "exec/operation_cases.hpp"
#include "transfusion/exec/cpu.hpp"

using namespace operation_cases;

namespace {

/// Keys or values of which each row is one page of memory; rows that nobody may read are made unreadable.
class guarded_rows {
 public:
  guarded_rows(index_t rows, const std::vector<bool>& readable) : page_(sysconf(_SC_PAGESIZE)), rows_(rows) {
    memory_ = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    BOOST_REQUIRE(memory_ != MAP_FAILED);
    std::mt19937 random(7);
    auto x = matrix();
    for (index_t i = 0; i < x.size(); ++i) x.data[i] = std::normal_distribution<float>()(random);
    for (index_t r = 0; r < rows; ++r)
      if (!readable[static_cast<std::size_t>(r)])
        BOOST_REQUIRE(mprotect(x.row(r), static_cast<std::size_t>(page_), PROT_NONE) == 0);
  }
  ~guarded_rows() { munmap(memory_, bytes()); }
  guarded_rows(const guarded_rows&) = delete;

  index_t width() const { return page_ / static_cast<index_t>(sizeof(float)); }
  view<float, 2> matrix() const { return {static_cast<float*>(memory_), rows_, width()}; }

 private:
  std::size_t bytes() const { return static_cast<std::size_t>(page_ * rows_); }
  long page_;
  index_t rows_;
  void* memory_;
};

/// Two sequences in one cache with unused rows between and after, read by a few rows each and one row that sees
/// nothing.
struct cached {
  static constexpr index_t keys = 700, rows = 9, heads = 16;
  std::vector<key_interval> table;
  std::vector<bool> seen = std::vector<bool>(keys);

  cached() {
    for (index_t n = 0; n < rows; ++n) {
      key_interval first = n < 4 ? key_interval::of(3, 130 + n) : key_interval::of(401, 470);
      key_interval second = n < 4 ? key_interval::of(200, 203) : key_interval::of(500, 600 + n);
      if (n == 6) first = second = {};
      table.insert(table.end(), {first, second});
      for (index_t j = 0; j < keys; ++j)
        if (first.contains(j) || second.contains(j)) seen[static_cast<std::size_t>(j)] = true;
    }
  }
  key_intervals mask() const { return {table.data(), rows, 2}; }
};

std::vector<float> random_values(index_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) v = std::normal_distribution<float>()(random);
  return x;
}

}  // namespace

// A read of a hidden key ends the test: its page cannot be read.
BOOST_AUTO_TEST_CASE(keys_outside_the_intervals_are_never_read) {
  const cached c;
  const guarded_rows k(c.keys, c.seen), v(c.keys, c.seen);
  const index_t width = k.width();
  const attention_shape shape{c.heads, c.heads, width / c.heads, 0.1};
  auto q = random_values(c.rows * width, 1), d_o = random_values(c.rows * width, 2);
  std::vector<float> o(q.size()), lse(static_cast<std::size_t>(c.rows * c.heads)), dq(q.size());
  std::vector<float> dk(static_cast<std::size_t>(c.keys * width)), dv(dk.size());
  const view<float, 2> qs(q.data(), c.rows, width), os(o.data(), c.rows, width), ls(lse.data(), c.rows, c.heads);
  cpu_exec<float> exec(2);
  exec.attention(os, ls, qs, k.matrix(), v.matrix(), c.mask(), shape);
  exec.attention_backward({{dq.data(), c.rows, width}}, {{dk.data(), c.keys, width}}, {{dv.data(), c.keys, width}},
                          {d_o.data(), c.rows, width}, os, ls, qs, k.matrix(), v.matrix(), c.mask(), shape);
  for (index_t h = 0; h < c.heads; ++h) BOOST_TEST(ls(6, h) == -std::numeric_limits<float>::infinity());
  for (index_t i = 0; i < width; ++i) {
    BOOST_REQUIRE(os(6, i) == 0.0f);
    BOOST_REQUIRE(dq[static_cast<std::size_t>(6 * width + i)] == 0.0f);
  }
  for (index_t j = 0; j < c.keys; ++j) {
    float most = 0;
    for (index_t i = 0; i < width; ++i) most = std::max(most, std::abs(dv[static_cast<std::size_t>(j * width + i)]));
    BOOST_REQUIRE_EQUAL(most > 0, c.seen[static_cast<std::size_t>(j)]);
  }
}

// A row's bits do not change with keys that it does not see, though its neighbours in the block see them.
BOOST_AUTO_TEST_CASE(later_keys_change_no_bit_of_earlier_rows) {
  constexpr index_t rows = 150, width = 64, changed = 101;
  std::vector<key_interval> table;
  for (index_t n = 0; n < rows; ++n) table.push_back(key_interval::of(0, n + 1));
  auto q = random_values(rows * width, 1), k = random_values(rows * width, 2), v = random_values(rows * width, 3);
  cpu_exec<float> exec(2);
  const auto run = [&] {
    std::vector<float> o(q.size()), lse(static_cast<std::size_t>(2 * rows));
    exec.attention({o.data(), rows, width}, {lse.data(), rows, 2}, {q.data(), rows, width}, {k.data(), rows, width},
                   {v.data(), rows, width}, {table.data(), rows, 1}, {2, 2, 32, 0.2});
    return o;
  };
  const auto before = run();
  for (std::size_t i = changed * width; i < k.size(); ++i) {
    k[i] += 1.0f;
    v[i] *= -3.0f;
  }
  const auto after = run();
  BOOST_TEST(std::memcmp(before.data(), after.data(), changed * width * sizeof(float)) == 0);
  for (index_t n = changed; n < rows; ++n)
    BOOST_TEST(std::memcmp(before.data() + n * width, after.data() + n * width, width * sizeof(float)) != 0);
}

// The scores may be far from zero: the running largest keeps every exponential finite.
BOOST_AUTO_TEST_CASE(large_scores_stay_finite) {
  constexpr index_t rows = 200, width = 16;
  std::vector<key_interval> table;
  for (index_t n = 0; n < rows; ++n) table.push_back(key_interval::of(0, n + 1));
  auto q = random_values(rows * width, 1), k = random_values(rows * width, 2), v = random_values(rows * width, 3);
  for (index_t j = 0; j < rows; ++j)
    for (index_t c = 0; c < width; ++c) k[static_cast<std::size_t>(j * width + c)] *= static_cast<float>(1 + j);
  std::vector<double> qd(q.begin(), q.end()), kd(k.begin(), k.end()), vd(v.begin(), v.end()), od(q.size());
  std::vector<double> lsed(rows);
  std::vector<float> o(q.size()), lse(rows);
  const key_intervals mask{table.data(), rows, 1};
  cpu_exec<float>(2).attention({o.data(), rows, width}, {lse.data(), rows, 1}, {q.data(), rows, width},
                               {k.data(), rows, width}, {v.data(), rows, width}, mask, {1, 1, width, 1.0});
  reference_exec<double>().attention({od.data(), rows, width}, {lsed.data(), rows, 1}, {qd.data(), rows, width},
                                     {kd.data(), rows, width}, {vd.data(), rows, width}, mask, {1, 1, width, 1.0});
  // Scores of some thousands carry an absolute error of some 1e-4, and so do the probabilities.
  BOOST_TEST(normalised_error(view<float, 1>(o.data(), rows * width), view<double, 1>(od.data(), rows * width), 1e-30) <
             2e-3);
}
