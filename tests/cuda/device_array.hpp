// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <random>
#include <vector>

#include "transfusion/exec/memory.hpp"
#include "transfusion/exec/reference.hpp"

// What the tests of cuda_exec share: arrays that exist for the policy and for reference_exec<double> at once.
namespace cuda_tests {

using namespace transfusion;

class draws {
 public:
  explicit draws(unsigned seed) : random_(seed) {}

  double normal() { return std::normal_distribution<double>()(random_); }
  index_t below(index_t n) { return std::uniform_int_distribution<index_t>(0, n - 1)(random_); }
  bool coin() { return below(2) == 1; }
  index_t pick(std::initializer_list<index_t> among) { return *(among.begin() + below(std::ssize(among))); }

 private:
  std::mt19937 random_;
};

/// A quarter of the size of a sum of `terms` products of normal numbers: below it, a value is small by cancellation.
inline auto size_of_sum(index_t terms) {
  return [size = std::sqrt(static_cast<double>(terms)) / 4](index_t) { return size; };
}

/// One array twice: as T on the device, and with the same values (rounded to T) in double for the reference.
template <class Exec, class T>
class device_array {
 public:
  /// `offset` elements are left free before the array, to have it less aligned.
  device_array(Exec& exec, index_t rows, index_t cols, index_t offset = 0)
      : exec_(&exec), memory_(exec, rows * cols + offset), rows_(rows), cols_(cols), offset_(offset) {}

  template <class Draw>
  device_array& set(Draw draw) {
    first_.clear();
    for (index_t i = 0; i < rows_ * cols_; ++i) first_.push_back(static_cast<T>(static_cast<float>(draw())));
    host_.assign(first_.begin(), first_.end());
    reset();
    return *this;
  }
  device_array& poison() {
    return set([] { return std::numeric_limits<double>::quiet_NaN(); });
  }
  /// Puts the device's values back to what was set.
  void reset() { exec_->upload(device().data, first_.data(), first_.size() * sizeof(T)); }

  view<T, 2> device() const { return {memory_.all().data + offset_, rows_, cols_}; }
  view<double, 2> host() { return {host_.data(), rows_, cols_}; }
  gradient_sink<T> device_sink(bool add) const { return {device(), add}; }
  gradient_sink<double> host_sink(bool add) { return {host(), add}; }

  std::vector<T> found() const {
    std::vector<T> values(host_.size());
    exec_->download(values.data(), device().data, values.size() * sizeof(T));
    return values;
  }
  /// The largest difference of any row from host(), as a share of the row's largest value or of scale(row), whichever
  /// is larger. Infinite where one of two values is no number.
  template <class Scale>
  double error(Scale scale) {
    const std::vector<T> values = found();
    double worst = 0;
    for (index_t r = 0; r < rows_; ++r) {
      double difference = 0, size = scale(r);
      for (index_t i = r * cols_; i < (r + 1) * cols_; ++i) {
        const double a = static_cast<double>(values[static_cast<std::size_t>(i)]),
                     b = host_[static_cast<std::size_t>(i)];
        if (std::isfinite(a) != std::isfinite(b)) return std::numeric_limits<double>::infinity();
        if (!std::isfinite(a)) continue;
        difference = std::max(difference, std::abs(a - b));
        size = std::max(size, std::abs(b));
      }
      if (difference > 0) worst = std::max(worst, difference / size);
    }
    return worst;
  }

 private:
  Exec* exec_;
  buffer<Exec, T> memory_;
  index_t rows_, cols_, offset_;
  std::vector<T> first_;
  std::vector<double> host_;
};

/// Token numbers for both.
template <class Exec>
class device_tokens {
 public:
  device_tokens(Exec& exec, std::vector<token_t> ids) : memory_(exec, std::ssize(ids)), ids_(std::move(ids)) {
    exec.upload(memory_.all().data, ids_.data(), ids_.size() * sizeof(token_t));
  }
  view<const token_t, 1> device() const { return {memory_.all().data, std::ssize(ids_)}; }
  view<const token_t, 1> host() const { return {ids_.data(), std::ssize(ids_)}; }

 private:
  buffer<Exec, token_t> memory_;
  std::vector<token_t> ids_;
};

}  // namespace cuda_tests
