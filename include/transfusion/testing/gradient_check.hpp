// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdio>
#include <deque>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "transfusion/autograd/parameter.hpp"
#include "transfusion/autograd/tape.hpp"
#include "transfusion/testing/compare.hpp"
#include "transfusion/testing/weighted_output.hpp"

namespace transfusion::testing {

/// What a gradient check found: the derivative that is furthest from central differences.
struct gradient_report {
  double error = 0;     ///< |analytic - numeric|, as a share of the largest derivative of its array
  std::string name{};   ///< of the array
  index_t index = -1;   ///< of the element; -1: a direction through the whole array
  double analytic = 0;  ///< what the way back says
  double numeric = 0;   ///< what central differences say
  index_t checked = 0;  ///< derivatives compared

  bool within(double limit) const { return checked > 0 && error <= limit; }
  std::string text() const {
    char numbers[128];
    std::snprintf(numbers, sizeof numbers, "analytic %.12g, numeric %.12g, error %.3g", analytic, numeric, error);
    return transfusion::detail::message(checked, " derivatives, the worst: ", name, "[", index, "] ", numbers);
  }

  /// Takes one comparison in; `size` is the largest derivative of the array.
  void add(const std::string& array, index_t i, double found, double expected, double size) {
    ++checked;
    const double difference = std::abs(found - expected) / std::fmax(size, 1e-3);
    const double now = std::isfinite(difference) ? difference : std::numeric_limits<double>::infinity();
    if (checked > 1 && now <= error) return;
    error = now;
    name = array;
    index = i;
    analytic = found;
    numeric = expected;
  }
  /// Joins the report of another run of the same check.
  void merge(const gradient_report& other) {
    const index_t all = checked + other.checked;
    if (checked == 0 || other.error > error) *this = other;
    checked = all;
  }
};

/// f'(0) by central differences of fourth order: error about step⁴ · f⁽⁵⁾/30, and rounding about 1e-16 · f/step.
template <class F>
double central_difference(F f, double step = 1e-3) {
  return (8 * (f(step) - f(-step)) - (f(2 * step) - f(-2 * step))) / (12 * step);
}

/// Proves the way back of operations by central differences. Declare inputs and parameters, then `run` a callable that
/// builds the operation on a tape and returns its objective (a root has been placed for every term of it):
///   gradient_check check(exec, seed);
///   auto x = check.input("x", 5, 3);
///   auto w = check.parameters().declare("w", {7, 3}, initial_value::normal(1));
///   auto report = check.run([&](auto& tape, auto in) { return weighted_output(tape, linear(tape, in[x], w), key); });
/// Parameter gradients hold numbers before the way back, so that one which is written over shows. Each input is checked
/// alone, and once more with a second consumer, so that the operation finds a gradient to add to. The objective must be
/// the same on a tape that records and on one that does not.
/// Take a `poisoned` policy to show reads of memory that nobody wrote.
template <class Exec>
class gradient_check {
  static_assert(std::is_same_v<typename Exec::scalar, double>,
                "differences of floats prove little: take a double policy");

 public:
  gradient_check(Exec& exec, std::uint64_t seed) : exec_(&exec), seed_(seed) {}

  /// Declares a differentiable input [rows, cols], drawn from a normal distribution; returns its place in the
  /// callable's list.
  std::size_t input(std::string name, index_t rows, index_t cols, double scale = 1) {
    const std::size_t place = inputs_.size();
    buffer<Exec, double> device(*exec_, rows * cols);
    exec_->normal(device.all(), {seed_, static_cast<std::uint32_t>(place), stream::test}, scale);
    inputs_.push_back({std::move(name), rows, cols, on_host(*exec_, device.all())});
    return place;
  }

  /// Where parameters are declared; their memory comes with `run`.
  parameter_set<Exec>& parameters() { return parameters_; }

  /// Compares every derivative. objective(tape, inputs) -> double.
  template <class Objective>
  gradient_report run(Objective objective) {
    if (parameters_.size() > 0) {
      parameters_.allocate(*exec_, seed_);
      parameters_.allocate_gradients();
    }
    gradient_report report;
    for (const bool second_consumer : {false, true}) report.merge(run(objective, second_consumer));
    return report;
  }

 private:
  struct input_record {
    std::string name;
    index_t rows, cols;
    std::vector<double> value;
    std::vector<double> gradient{};
  };

  template <class Objective>
  gradient_report run(Objective& objective, bool second_consumer) {
    double recorded = 0;
    const std::vector<double> parameter_gradients = analytic(objective, second_consumer, recorded);
    tape<Exec> tape(*exec_, recording::off);
    const auto at = [&] {
      tape.reset();
      return evaluate(tape, objective, second_consumer);
    };
    gradient_report report;
    report.add("objective", -1, recorded, at(), std::abs(recorded));
    for (input_record& in : inputs_) {
      const auto numeric = differences(in.value.size(), [&](std::size_t i, double h) {
        const double kept = std::exchange(in.value[i], in.value[i] + h);
        const double value = at();
        in.value[i] = kept;
        return value;
      });
      compare(report, in.name, in.gradient.data(), numeric);
    }
    parameters_.each([&](parameter<Exec> p) {
      const std::vector<double> kept = on_host(*exec_, p.master());
      const auto numeric = differences(kept.size(), [&](std::size_t i, double h) {
        double* element = p.master().data + i;
        const double moved = kept[i] + h;
        exec_->upload(element, &moved, sizeof(double));
        const double value = at();
        exec_->upload(element, &kept[i], sizeof(double));
        return value;
      });
      compare(report, p.name(), parameter_gradients.data() + p.offset(), numeric);
    });
    return report;
  }

  /// Runs the way back once: leaves the inputs' gradients in their records, returns what was added to the parameters'.
  template <class Objective>
  std::vector<double> analytic(Objective& objective, bool second_consumer, double& value) {
    std::vector<double> before(static_cast<std::size_t>(parameters_.gradients().size()));
    if (!before.empty()) {
      exec_->normal(parameters_.gradients(), {seed_ + 1, 0, stream::test}, 1.0);
      before = on_host(*exec_, parameters_.gradients());
    }
    tape<Exec> tape(*exec_);
    gradients_.clear();
    value = evaluate(tape, objective, second_consumer);
    tape.backward();
    for (std::size_t i = 0; i < inputs_.size(); ++i) inputs_[i].gradient = on_host(*exec_, gradients_[i].all());
    std::vector<double> added = on_host(*exec_, parameters_.gradients());
    for (std::size_t i = 0; i < added.size(); ++i) added[i] -= before[i];
    return added;
  }

  template <class Objective>
  double evaluate(tape<Exec>& tape, Objective& objective, bool second_consumer) {
    std::vector<var<Exec>> leaves;
    for (const input_record& in : inputs_) leaves.push_back(leaf(tape, in));
    double value = 0;
    for (std::size_t i = 0; second_consumer && i < leaves.size(); ++i)
      value += weighted_output(tape, leaves[i], {seed_ + 2, static_cast<std::uint32_t>(i), stream::test});
    return value + objective(tape, leaves);
  }

  /// A variable with the input's values, whose way back keeps its gradient (zero where it gets none).
  var<Exec> leaf(tape<Exec>& tape, const input_record& in) {
    auto x = tape.variable(in.rows, in.cols);
    exec_->upload(x.value().data, in.value.data(), in.value.size() * sizeof(double));
    if (!tape.records()) return x;
    const view<double, 1> kept = gradients_.emplace_back(*exec_, in.rows * in.cols).all();
    exec_->fill(kept, 0);
    tape.on_backward([=](auto& t) { t.exec().copy(kept, t.gradient(x).flat()); });
    return x;
  }

  template <class F>
  static std::vector<double> differences(std::size_t count, F objective_at) {
    std::vector<double> numeric(count);
    for (std::size_t i = 0; i < count; ++i)
      numeric[i] = central_difference([&](double h) { return objective_at(i, h); });
    return numeric;
  }

  static void compare(gradient_report& report, const std::string& name, const double* analytic,
                      const std::vector<double>& numeric) {
    double size = 0;
    for (double d : numeric) size = std::fmax(size, std::abs(d));
    for (std::size_t i = 0; i < numeric.size(); ++i)
      report.add(name, static_cast<index_t>(i), analytic[i], numeric[i], size);
  }

  Exec* exec_;
  std::uint64_t seed_;
  parameter_set<Exec> parameters_;
  std::vector<input_record> inputs_;
  std::deque<buffer<Exec, double>> gradients_;
};

/// Proves the gradient of a whole model: for each of its parameters, the derivative of the objective along a random
/// direction against gradient · direction. objective(tape) -> double places the roots; the model's weights are put
/// back.
template <class Model, class Objective>
gradient_report directional_check(Model& model, Objective objective, random_key key, double step = 1e-3) {
  using exec_type = typename Model::exec_type;
  static_assert(std::is_same_v<typename exec_type::scalar, double>, "take a double policy");
  exec_type& exec = model.exec();
  auto& parameters = model.parameters();
  parameters.allocate_gradients();
  parameters.zero_gradients();
  {
    tape<exec_type> tape(exec);
    objective(tape);
    tape.backward();
  }
  gradient_report report;
  parameters.each([&](parameter<exec_type> p) {
    const auto gradient = on_host(exec, p.flat_gradient()), kept = on_host(exec, p.master());
    std::vector<double> direction(kept.size()), moved(kept.size());
    exec.normal(p.master(), key, 1.0);
    direction = on_host(exec, p.master());
    double analytic = 0, size = 0;
    for (std::size_t i = 0; i < direction.size(); ++i) {
      direction[i] /= std::sqrt(static_cast<double>(direction.size()));
      analytic += gradient[i] * direction[i];
      size += gradient[i] * gradient[i] * direction[i] * direction[i];
    }
    const auto put = [&](const std::vector<double>& w) {
      exec.upload(p.master().data, w.data(), w.size() * sizeof(double));
    };
    const auto objective_at = [&](double h) {
      for (std::size_t i = 0; i < moved.size(); ++i) moved[i] = kept[i] + h * direction[i];
      put(moved);
      tape<exec_type> tape(exec, recording::off);
      return objective(tape);
    };
    const double numeric = central_difference(objective_at, step);
    put(kept);
    report.add(p.name(), -1, analytic, numeric, std::sqrt(size));
  });
  return report;
}

}  // namespace transfusion::testing
