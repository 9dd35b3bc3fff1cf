// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "cuda/tolerances.hpp"
#include "transfusion/core/bf16.hpp"
#include "transfusion/exec/reference.hpp"

// Attention calls drawn at random, what the reference makes of them, and how far a result in bf16 may be from that.
namespace cuda_tests {

using namespace transfusion;

inline constexpr float infinity = std::numeric_limits<float>::infinity(),
                       no_number = std::numeric_limits<float>::quiet_NaN();

struct problem {
  index_t rows, keys;
  attention_shape shape;
  index_t intervals = 1;
  std::vector<key_interval> table;
  std::vector<float> q, k, v;  ///< values that bf16 holds exactly

  problem(index_t n, index_t m, attention_shape s, unsigned seed) : rows(n), keys(m), shape(s) {
    q = values(n * s.heads * s.head_width, seed);
    k = values(m * s.kv_heads * s.head_width, seed + 1);
    v = values(m * s.kv_heads * s.head_width, seed + 2);
  }
  key_intervals mask() const { return {table.data(), rows, intervals}; }
  bool sees(index_t n, index_t key) const {
    for (index_t i = 0; i < intervals; ++i)
      if (mask()(n, i).contains(key)) return true;
    return false;
  }

 private:
  static std::vector<float> values(index_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<float> x(static_cast<std::size_t>(count));
    for (float& e : x) e = bf16(std::normal_distribution<float>()(random));
    return x;
  }
};

inline attention_shape heads(index_t h, index_t g, index_t width) {
  return {h, g, width, 1 / std::sqrt(static_cast<double>(width))};
}

template <class Real>
struct result {
  std::vector<Real> o, lse;
};

inline result<double> expected(const problem& p, bool absolute_values = false) {
  std::vector<double> q(p.q.begin(), p.q.end()), k(p.k.begin(), p.k.end()), v(p.v.begin(), p.v.end());
  if (absolute_values)
    for (double& x : v) x = std::abs(x);
  result<double> r = {std::vector<double>(q.size()),
                      std::vector<double>(static_cast<std::size_t>(p.rows * p.shape.heads))};
  const index_t width = p.shape.heads * p.shape.head_width, key_width = p.shape.kv_heads * p.shape.head_width;
  reference_exec<double>().attention({r.o.data(), p.rows, width}, {r.lse.data(), p.rows, p.shape.heads},
                                     {q.data(), p.rows, width}, {k.data(), p.keys, key_width},
                                     {v.data(), p.keys, key_width}, p.mask(), p.shape);
  return r;
}

inline double worst_share = 0;

/// Judges one result of the policy in T. With w the true weights, o = sum(w v), a = sum(w |v|) and u = 2^-8, half the
/// spacing of bf16 relative to a value: the rounding of each weight to bf16 moves o by u a at the most, and rounding o
/// by u |o|. What is done in float may cost so much of a, and of 1 + |lse| for lse, as the table says.
template <class T>
void judge(const problem& p, const result<float>& found, bool rounded_weights) {
  const auto right = expected(p), absolute = expected(p, true);
  constexpr bool rounded = std::is_same_v<T, bf16>;
  constexpr double u = 1.0 / 256, rest = limit<T>("attention"), lse_rest = limit<T>("attention_lse");
  for (std::size_t i = 0; i < right.lse.size(); ++i) {
    if (std::isinf(right.lse[i])) {
      BOOST_REQUIRE_EQUAL(found.lse[i], -infinity);
      for (std::size_t c = 0; c < static_cast<std::size_t>(p.shape.head_width); ++c)
        BOOST_REQUIRE_EQUAL(found.o[i * static_cast<std::size_t>(p.shape.head_width) + c], 0.0f);
      continue;
    }
    BOOST_REQUIRE_SMALL(found.lse[i] - right.lse[i], lse_rest * (1 + std::abs(right.lse[i])));
  }
  for (std::size_t i = 0; i < right.o.size(); ++i) {
    const double a = absolute.o[i], o = std::abs(right.o[i]), error = std::abs(found.o[i] - right.o[i]);
    const double most = (rounded_weights ? u * a : 0) + (rounded ? u * (o + u * a) : 0) + rest * a;
    BOOST_REQUIRE_MESSAGE(error <= most, "element " << i << ": found " << found.o[i] << ", expected " << right.o[i]);
    if (most > 0) worst_share = std::max(worst_share, error / most);
  }
}

enum class mask { causal, bidirectional, documents, hole, anything, nothing };

/// A mask of rows that stand at the end of the keys. Documents are of 1 to 60 rows, with images in which all see all.
inline void set_mask(problem& p, mask kind, unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](index_t n) { return static_cast<index_t>(random() % static_cast<std::uint64_t>(n)); };
  p.intervals = kind == mask::hole || kind == mask::anything ? 2 : 1;
  p.table.clear();
  const index_t offset = std::max<index_t>(0, p.keys - p.rows);
  index_t document = 0, document_end = 0, image_end = 0;
  for (index_t n = 0; n < p.rows; ++n) {
    const index_t at = std::min(p.keys, n + offset), last = std::min(p.keys, at + 1);
    if (at >= document_end) document = n == 0 ? below(at + 1) : at, document_end = at + 1 + below(60);
    if (at >= image_end && below(9) == 0) image_end = std::min({document_end, p.keys, at + 1 + below(20)});
    key_interval first = key_interval::of(0, last), second = {};
    if (kind == mask::bidirectional) first = key_interval::of(0, p.keys);
    if (kind == mask::documents) first = key_interval::of(document, std::max(last, image_end));
    if (kind == mask::hole) {
      first = key_interval::of(0, last / 4);
      second = key_interval::of(std::max(last / 4, last - 30), last);
      if (below(10) == 0) std::swap(first, second), second = {};
      if (below(10) == 0) first = {};
    }
    if (kind == mask::anything) {
      index_t e[4];
      for (index_t& x : e) x = below(p.keys + 1);
      std::sort(e, e + 4);
      first = key_interval::of(e[0], e[1]), second = key_interval::of(e[2], e[3]);
    }
    if (kind == mask::nothing || below(20) == 0) first = second = key_interval::of(below(9), 0);
    p.table.push_back(first);
    if (p.intervals == 2) p.table.push_back(second);
  }
}

inline constexpr mask every_mask[] = {mask::causal, mask::bidirectional, mask::documents,
                                      mask::hole,   mask::anything,      mask::nothing};

}  // namespace cuda_tests
