// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "transfusion/core/philox.hpp"
#include "transfusion/diffusion/solver/run.hpp"

// Solvers on the host, in double, with an x̂0 that is known: each value is an image of its own.
namespace solver_test {

namespace tf = transfusion;

/// Data of a mixture of normals: the best x̂0 and the law of x_t are known, and so is the probability flow, which in one
/// dimension keeps quantiles.
struct mixture {
  struct part {
    double weight, mean, deviation;
  };
  std::vector<part> parts;

  double data(double x, const tf::noise_level& at) const {
    double total = 0, sum = 0;
    for (const part& p : parts) {
      const double variance = variance_of(p, at), from_mean = x - at.signal * p.mean;
      const double density = p.weight / std::sqrt(variance) * std::exp(-from_mean * from_mean / (2 * variance));
      total += density;
      sum += density * (p.mean + at.signal * p.deviation * p.deviation / variance * from_mean);
    }
    return sum / total;
  }
  /// P(x_t < x)
  double quantile_of(double x, const tf::noise_level& at) const {
    double sum = 0;
    for (const part& p : parts)
      sum += p.weight / 2 * std::erfc((at.signal * p.mean - x) / std::sqrt(2 * variance_of(p, at)));
    return sum;
  }
  /// Where the probability flow takes x from one level to another.
  double flow(double x, const tf::noise_level& from, const tf::noise_level& to) const {
    const double q = quantile_of(x, from);
    double low = -10, high = 10;
    for (int i = 0; i < 200; ++i) {
      const double middle = (low + high) / 2;
      (quantile_of(middle, to) < q ? low : high) = middle;
    }
    return low;
  }

 private:
  static double variance_of(const part& p, const tf::noise_level& at) {
    return std::pow(at.signal * p.deviation, 2) + at.noise * at.noise;
  }
};

template <class Schedule, class Data = mixture>
class exact_run final : public tf::solver_run {
 public:
  exact_run(Data data, std::vector<double> start, std::uint64_t seed = 1) : data_(std::move(data)), seed_(seed) {
    fields_.push_back(std::move(start));
  }

  tf::field make() override {
    fields_.emplace_back(fields_[0].size());
    return {static_cast<int>(fields_.size()) - 1};
  }
  tf::noise_level level(double time) const override { return tf::level_at(Schedule{}, time); }
  void predict(tf::field data, tf::field from, const tf::noise_level& level) override {
    ++evaluations;
    for (std::size_t i = 0; i < size(); ++i) at(data)[i] = data_.data(at(from)[i], level);
  }
  void combine(tf::field out, const std::vector<tf::term>& terms) override {
    std::vector<double> sum(size());
    for (const tf::term& t : terms)
      for (std::size_t i = 0; i < size(); ++i) sum[i] += t.factor * at(t.of)[i];
    at(out) = sum;
  }
  void add_noise(double amount) override {
    const tf::random_key key{seed_, draws_++, tf::stream::solver_noise};
    double four[4];
    for (std::size_t i = 0; i < size(); ++i) {
      if (i % 4 == 0) tf::normal_block(key, i / 4, four);
      at(x)[i] += amount * four[i % 4];
    }
  }
  double error(tf::field e, tf::field a, tf::field b, double absolute, double relative) override {
    ++errors;
    double most = 0;
    for (std::size_t i = 0; i < size(); ++i) {
      const double scale = absolute + relative * std::max(std::abs(at(a)[i]), std::abs(at(b)[i]));
      const double share = std::abs(at(e)[i]) / scale;
      if (!(share <= most)) most = share;  // what is no number stays
    }
    return most;
  }
  bool reached(const tf::noise_level& level) override {
    levels.push_back(level);
    return false;
  }

  const std::vector<double>& values() const { return fields_[0]; }

  tf::index_t evaluations = 0;
  tf::index_t errors = 0;               ///< how often an error was asked for
  std::vector<tf::noise_level> levels;  ///< where x has been

 private:
  void repeat_call(void (*call)(const void*), const void* f) override { call(f); }
  std::size_t size() const { return fields_[0].size(); }
  std::vector<double>& at(tf::field f) { return fields_[static_cast<std::size_t>(f.number)]; }

  Data data_;
  std::uint64_t seed_;
  std::uint32_t draws_ = 0;
  std::vector<std::vector<double>> fields_;
};

}  // namespace solver_test
