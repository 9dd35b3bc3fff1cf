// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <utility>
#include <vector>

#include "transfusion/autograd/parameter.hpp"
#include "transfusion/core/error.hpp"
#include "transfusion/exec/concepts.hpp"

namespace transfusion {

/// Constants of AdamW, clipping and averaging; the defaults are the paper's (§4.1). EMA is off at decay 0.
struct adamw_options {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  ///< on matrices; norms and biases are left out
  double max_norm = 1.0;      ///< clip the gradient to this global norm; 0: no clip
  double ema_decay = 0;
};

/// Throws config_error on a constant outside its range.
inline void require_valid(const adamw_options& o) {
  const auto within = [](const char* name, double value, double end) {
    require<config_error>(value >= 0 && value < end, name, ": found ", value, ", expected >= 0 and below ", end);
  };
  within("beta1", o.beta1, 1);
  within("beta2", o.beta2, 1);
  within("ema_decay", o.ema_decay, 1);
  const auto not_negative = [](const char* name, double value) {
    require<config_error>(value >= 0, name, ": found ", value, ", expected >= 0");
  };
  not_negative("epsilon", o.epsilon);
  not_negative("weight_decay", o.weight_decay);
  not_negative("max_norm", o.max_norm);
}

/// AdamW over the contiguous block of a parameter_set, with global-norm clip and an exponential moving average of the
/// weights in the same pass. Frozen parameters keep weights, moments and average. The average warms up: its decay at
/// step s is at most (2 + s) / (11 + s).
template <class Exec>
class adamw {
 public:
  using real = typename Exec::real;

  /// Throws config_error on an option outside its range.
  adamw(Exec& exec, parameter_set<Exec>& set, adamw_options options)
      : exec_(&exec),
        set_(&set),
        options_(options),
        first_(exec, set.values().size()),
        second_(exec, set.values().size()),
        norm_(exec, 1) {
    require_valid(options);
    exec.fill(first_.all(), 0);
    exec.fill(second_.all(), 0);
    if (options.ema_decay > 0) {
      average_ = buffer<Exec, real>(exec, set.values().size());
      exec.copy(average_.all(), set.values());
    }
    set.allocate_gradients();
  }

  /// The squared global norm of the gradient that has gathered: [1], in the policy's memory. Does not wait.
  view<const real, 1> measure_gradient() {
    exec_->sum_of_squares(norm_.all(), set_->gradients());
    measured_ = true;
    return norm_.all();
  }
  /// The global norm itself; on the host, which waits for it.
  double gradient_norm() {
    real squared{};
    exec_->download(&squared, measure_gradient().data, sizeof(real));
    return std::sqrt(static_cast<double>(squared));
  }

  /// Applies the gradient as step `step` (from 0), clipped by its norm, and zeroes it. The norm is the last one that
  /// was measured since the step before, or is measured now.
  void step(index_t step, double rate) {
    if (!std::exchange(measured_, false)) exec_->sum_of_squares(norm_.all(), set_->gradients());
    const double steps = static_cast<double>(step + 1);
    adamw_step s{rate,
                 options_.beta1,
                 options_.beta2,
                 options_.epsilon,
                 options_.weight_decay,
                 1 - std::pow(options_.beta1, steps),
                 1 - std::pow(options_.beta2, steps),
                 options_.max_norm,
                 std::fmin(options_.ema_decay, (1 + steps) / (10 + steps))};
    for (const parameter_range& range : set_->trained()) {
      s.weight_decay = range.decays == decay::on ? options_.weight_decay : 0;
      update(range.begin, range.end, s);
    }
    set_->zero_gradients();
  }

  view<real, 1> first_moment() const { return first_.all(); }
  view<real, 1> second_moment() const { return second_.all(); }
  /// Empty without EMA.
  view<real, 1> average() const { return average_.all(); }

 private:
  void update(index_t begin, index_t end, const adamw_step& s) {
    const auto part = [&](auto all) { return all ? all.slice(begin, end) : all; };
    exec_->adamw(part(set_->values()), part(first_.all()), part(second_.all()), part(average_.all()),
                 part(set_->copy()), part(set_->gradients()), norm_.all(), s);
  }

  Exec* exec_;
  parameter_set<Exec>* set_;
  adamw_options options_;
  buffer<Exec, real> first_, second_, average_, norm_;
  bool measured_ = false;  ///< norm_ belongs to the gradients as they are
};

/// While it lives, a model computes with its averaged weights; then the trained ones come back. Nothing happens without
/// EMA.
template <class Exec>
class averaged_weights {
 public:
  averaged_weights(Exec& exec, parameter_set<Exec>& set, const adamw<Exec>& optimiser) : exec_(&exec), set_(&set) {
    if (!optimiser.average()) return;
    trained_ = buffer<Exec, typename Exec::real>(exec, set.values().size());
    exec.copy(trained_.all(), set.values());
    exec.copy(set.values(), optimiser.average());
    set.refresh();
  }
  averaged_weights(const averaged_weights&) = delete;
  averaged_weights& operator=(const averaged_weights&) = delete;
  ~averaged_weights() {
    if (!trained_) return;
    exec_->copy(set_->values(), trained_.all());
    set_->refresh();
  }

 private:
  Exec* exec_;
  parameter_set<Exec>* set_;
  buffer<Exec, typename Exec::real> trained_;
};

}  // namespace transfusion
