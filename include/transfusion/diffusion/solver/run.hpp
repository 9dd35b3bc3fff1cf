// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <vector>

#include "transfusion/diffusion/level.hpp"
#include "transfusion/diffusion/solver/step.hpp"

namespace transfusion {

/// The number of a field of a run: one value for every value of the images being drawn.
struct field {
  int number = 0;
};

/// factor · field.
struct term {
  double factor = 0;
  field of;
};

/// What a solver may ask of whoever draws. Fields stay on the device; a solver sees their numbers and the noise levels.
class solver_run {
 public:
  solver_run() = default;
  solver_run(const solver_run&) = delete;
  solver_run& operator=(const solver_run&) = delete;
  virtual ~solver_run() = default;

  /// The images being drawn: they stand at the first of the times, and must end at the last one.
  static constexpr field x{};
  /// Another field, 0 everywhere.
  virtual field make() = 0;
  virtual noise_level level(double time) const = 0;
  /// data = x̂0(from, level), one evaluation of the model.
  virtual void predict(field data, field from, const noise_level& level) = 0;
  /// out = Σ factor · of, which may name `out` too.
  virtual void combine(field out, const std::vector<term>& terms) = 0;
  /// x += amount · z with z ~ N(0, I), other numbers at each call. Not inside `repeat`.
  virtual void add_noise(double amount) = 0;
  /// max over the images of sqrt(mean of (e / (absolute + relative · max(|a|, |b|)))²): at most 1 where the error e is
  /// within its tolerances (Hairer, Nørsett & Wanner, II.4, eq. 4.10–4.11). Not inside `repeat`.
  virtual double error(field e, field a, field b, double absolute, double relative) = 0;
  /// To be called when x has arrived at a level: whoever draws may look at it or correct it. Whether x was changed.
  virtual bool reached(const noise_level& level) = 0;

  /// Runs f, which does the same predictions and combinations each time it is given, with other factors and levels: a
  /// GPU keeps them as one graph.
  template <class F>
  void repeat(const F& f) {
    repeat_call([](const void* p) { (*static_cast<const F*>(p))(); }, &f);
  }

 protected:
  virtual void repeat_call(void (*call)(const void*), const void* f) = 0;
};

/// A solver of one evaluation a step, written as the three numbers of `solver_step`.
template <class Solver>
concept step_solver = requires(const Solver& solver, noise_level now, noise_level next) {
  { solver.step(now, next) } -> std::same_as<solver_step>;
};

/// A solver that takes x down the times in its own way, with several evaluations a step, a memory, steps of its own.
template <class Solver>
concept free_solver = requires(const Solver& solver, solver_run& run, const std::vector<double>& times) {
  { solver(run, times) } -> std::same_as<void>;
};

/// A way from noise to data.
template <class Solver>
concept diffusion_solver = step_solver<Solver> || free_solver<Solver>;

/// Takes x from the first of the falling times to the last.
template <diffusion_solver Solver>
void solve(const Solver& solver, solver_run& run, const std::vector<double>& times) {
  if constexpr (free_solver<Solver>) {
    solver(run, times);
  } else {
    const field x = run.x, data = run.make();
    for (std::size_t k = 0; k + 1 < times.size(); ++k) {
      const noise_level now = run.level(times[k]), next = run.level(times[k + 1]);
      const solver_step step = solver.step(now, next);
      run.repeat([&] {
        run.predict(data, x, now);
        run.combine(x, {{step.on_x, x}, {step.on_data, data}});
      });
      if (step.fresh_noise != 0) run.add_noise(step.fresh_noise);
      run.reached(next);
    }
  }
}

}  // namespace transfusion
