// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "transfusion/exec/reference.hpp"

namespace operation_cases {

using namespace transfusion;

/// Operands, outputs and the call of one case on one policy. The same seed gives the same operands (exact in float).
template <class Exec>
class trial {
 public:
  using T = typename Exec::scalar;

  trial(Exec& e, unsigned seed) : exec(e), random_(seed) {}

  Exec& exec;
  /// Called between the two calls of a repeated trial; null: the operation is called once.
  void (*before_repeat)() = nullptr;
  void (*after_repeat)() = nullptr;

  index_t pick(std::initializer_list<index_t> among) {
    return *(among.begin() + std::uniform_int_distribution<std::ptrdiff_t>(0, std::ssize(among) - 1)(random_));
  }
  index_t below(index_t n) { return std::uniform_int_distribution<index_t>(0, n - 1)(random_); }
  index_t extent() { return pick({1, 2, 7, 16, 17, 33, 65, 100, 129, 200}); }
  bool coin() { return below(2) == 1; }
  double draw() { return static_cast<double>(static_cast<float>(std::normal_distribution<double>()(random_))); }

  view<T, 2> values(index_t rows, index_t cols, double scale = 1) {
    std::vector<T>& block = blocks_.emplace_back(static_cast<std::size_t>(rows * cols));
    for (T& v : block) v = static_cast<T>(static_cast<float>(scale * draw()));
    return {block.data(), rows, cols};
  }
  view<const T, 2> input(index_t rows, index_t cols, double scale = 1) { return values(rows, cols, scale); }
  view<const T, 1> input(index_t n) { return values(1, n).flat(); }
  view<const T, 1> positive(index_t n) {
    auto x = values(1, n).flat();
    for (index_t i = 0; i < n; ++i) x[i] = std::abs(x[i]) + T{0.125};
    return x;
  }
  /// An output that holds values on entry, for what is added to.
  view<T, 2> filled(index_t rows, index_t cols) {
    auto x = values(rows, cols);
    outputs_.push_back(x.flat());
    return x;
  }
  /// An output that holds no number on entry, for what is overwritten.
  view<T, 2> poisoned(index_t rows, index_t cols) {
    auto x = filled(rows, cols);
    for (index_t i = 0; i < x.size(); ++i) x.data[i] = std::numeric_limits<T>::quiet_NaN();
    return x;
  }
  gradient_sink<T> sink(index_t rows, index_t cols) {
    const bool add = coin();
    return {add ? filled(rows, cols) : poisoned(rows, cols), add};
  }
  /// A sink, now and then an unwanted one.
  gradient_sink<T> maybe_sink(index_t rows, index_t cols) {
    return below(5) == 0 ? gradient_sink<T>{} : sink(rows, cols);
  }
  view<const token_t, 1> tokens(index_t n, index_t limit, index_t ignored_in = 0) {
    auto& block = tokens_.emplace_back(static_cast<std::size_t>(n));
    for (token_t& t : block) t = ignored_in && below(ignored_in) == 0 ? -1 : static_cast<token_t>(below(limit));
    return {block.data(), n};
  }
  /// Room for `n` indices, on entry none that is valid.
  view<token_t, 1> indices(index_t n) {
    auto& block = tokens_.emplace_back(static_cast<std::size_t>(n), -77);
    return {block.data(), n};
  }
  /// `n` different numbers below `limit`, in some order.
  view<const token_t, 1> different(index_t n, index_t limit) {
    auto& block = tokens_.emplace_back(static_cast<std::size_t>(limit));
    for (index_t i = 0; i < limit; ++i) block[static_cast<std::size_t>(i)] = static_cast<token_t>(i);
    std::shuffle(block.begin(), block.end(), random_);
    return {block.data(), n};
  }
  /// A table that stands already.
  view<const token_t, 2> table(std::vector<token_t> values, index_t cols) {
    const auto& block = tokens_.emplace_back(std::move(values));
    return {block.data(), std::ssize(block) / cols, cols};
  }
  view<key_interval, 2> intervals(index_t rows, index_t each) {
    auto& block = intervals_.emplace_back(static_cast<std::size_t>(rows * each));
    return {block.data(), rows, each};
  }
  view<image_place, 1> places(index_t n) {
    auto& block = places_.emplace_back(static_cast<std::size_t>(n));
    return {block.data(), n};
  }

  template <class F>
  void call(F f) {
    f();
    if (!before_repeat) return;
    before_repeat();
    f();
    after_repeat();
  }
  const std::vector<view<T, 1>>& outputs() const { return outputs_; }

 private:
  std::mt19937 random_;
  std::deque<std::vector<T>> blocks_;
  std::deque<std::vector<token_t>> tokens_;
  std::deque<std::vector<key_interval>> intervals_;
  std::deque<std::vector<image_place>> places_;
  std::vector<view<T, 1>> outputs_;
};

/// The largest difference, as a share of the largest value expected; infinite where one is no number and the other is.
template <class A, class B>
double normalised_error(view<A, 1> found, view<B, 1> expected, double smallest) {
  double error = 0, size = smallest;
  for (index_t i = 0; i < found.size(); ++i) {
    const double a = static_cast<double>(found[i]), b = static_cast<double>(expected[i]);
    if (a == b || (std::isnan(a) && std::isnan(b))) {
      if (std::isfinite(b)) size = std::max(size, std::abs(b));
      continue;
    }
    if (!std::isfinite(a) || !std::isfinite(b)) return std::numeric_limits<double>::infinity();
    error = std::max(error, std::abs(a - b));
    size = std::max(size, std::abs(b));
  }
  return error / size;
}

}  // namespace operation_cases
