// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/policy_name.hpp"
#include "transfusion/core/types.hpp"
#include "transfusion/diffusion/coefficients.hpp"
#include "transfusion/diffusion/solver/run.hpp"

namespace transfusion::detail {

/// A run without images, which finds out whether x̂0 can be had from `Target` wherever a solver asks for it.
template <class Target, noise_schedule Schedule>
class rehearsal final : public solver_run {
 public:
  explicit rehearsal(const Schedule& schedule) : schedule_(&schedule) {}

  field make() override { return {++fields_}; }
  noise_level level(double time) const override { return level_at(*schedule_, time); }
  void predict(field, field, const noise_level& level) override {
    (void)recover_data(level, Target::of(level.signal, level.noise));
    ++evaluations_;
  }
  void combine(field, const std::vector<term>&) override {}
  void add_noise(double) override {}
  double error(field, field, field, double, double) override { return 0; }
  bool reached(const noise_level&) override { return false; }

  index_t evaluations() const { return evaluations_; }

 private:
  void repeat_call(void (*call)(const void*), const void* f) override { call(f); }

  const Schedule* schedule_;
  int fields_ = 0;
  index_t evaluations_ = 0;
};

/// How many evaluations of the model a run down the times takes; for a solver with steps of its own, the fewest. Throws
/// `config_error` naming solver, schedule and target where they do not work together.
template <class Target, diffusion_solver Solver, noise_schedule Schedule>
index_t rehearse(const Solver& solver, const Schedule& schedule, const std::vector<double>& times) {
  rehearsal<Target, Schedule> run(schedule);
  try {
    solve(solver, run, times);
  } catch (const config_error& e) {
    throw config_error(message(policy_name<Solver>(), " on ", policy_name<Schedule>(), " with ", policy_name<Target>(),
                               ": ", e.what()));
  }
  return run.evaluations();
}

}  // namespace transfusion::detail
