// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/diffusion/solver/posterior.hpp"
#include "transfusion/diffusion/solver/run.hpp"

// The probability flow of any schedule on the straight path. With size = signal + noise, share = noise / size and
// w = x_t / size, x_t = signal·x0 + noise·ε is w = (1 − share)·x0 + share·ε: every Gaussian path is a rectified flow in
// `share`, whose flow is dw/dshare = ε̂ − x̂0 (Liu et al. 2022, eq. 1; Lipman et al. 2022, §4). The change of variables
// is exact, has no pole at signal = 0, where x_t/signal has one, and makes Euler's method DDIM, as x_t/signal does
// (Song et al. 2020, DDIM, eq. 13–14): both are straight lines in the same (signal, noise) plane, seen from other
// points.
namespace transfusion::detail {

inline double size_of(const noise_level& level) { return level.signal + level.noise; }
inline double share_of(const noise_level& level) { return level.noise / size_of(level); }

/// The level between two whose share of noise is given: schedules rise, so halving finds it.
inline noise_level level_of_share(const solver_run& run, const noise_level& low, const noise_level& high,
                                  double share) {
  double below = low.time, above = high.time;
  for (int halving = 0; halving < 60; ++halving) {
    const double middle = below + (above - below) / 2;
    (share_of(run.level(middle)) < share ? below : above) = middle;
  }
  return run.level(above);
}

/// slope = ε̂ − x̂0 = x/noise − x̂0/share at (x, level): one evaluation.
inline void slope_at(solver_run& run, field slope, field x, const noise_level& level) {
  run.predict(slope, x, level);
  run.combine(slope, {{1 / level.noise, x}, {-1 / share_of(level), slope}});
}

/// An explicit Runge–Kutta method: nodes c, coefficients a, weights b (Hairer, Nørsett & Wanner, II.1, eq. 1.8).
template <std::size_t Stages>
struct tableau {
  double nodes[Stages];
  double stages[Stages][Stages];
  double weights[Stages];
};

/// w_out = w + (change of share)·Σ factors·slopes, in terms of x.
template <std::size_t Stages>
void advance(solver_run& run, field out, const noise_level& to, const noise_level& now, double change,
             const double (&factors)[Stages], const std::vector<field>& slopes) {
  std::vector<term> sum = {{size_of(to) / size_of(now), run.x}};
  for (std::size_t i = 0; i < slopes.size() && i < Stages; ++i)
    if (factors[i] != 0) sum.push_back({size_of(to) * change * factors[i], slopes[i]});
  run.combine(out, sum);
}

/// The level at a node of a step.
inline noise_level level_at_node(const solver_run& run, const noise_level& now, const noise_level& next, double node) {
  if (node == 0) return now;
  if (node == 1) return next;
  return level_of_share(run, next, now, share_of(now) + node * (share_of(next) - share_of(now)));
}

/// slopes[first …] of a step from x at `now` to `next`; `stage` holds their arguments. Not `next` where it is clean:
/// x̂0 does not say what ε is there.
template <std::size_t Stages>
void stage_slopes(solver_run& run, const tableau<Stages>& method, std::size_t first, const std::vector<field>& slopes,
                  field stage, const noise_level& now, const noise_level& next) {
  const double change = share_of(next) - share_of(now);
  for (std::size_t i = first; i < Stages; ++i) {
    const noise_level level = level_at_node(run, now, next, method.nodes[i]);
    if (i > 0) advance(run, stage, level, now, change, method.stages[i], slopes);  // later slopes count 0
    slope_at(run, slopes[i], i > 0 ? stage : run.x, level);
  }
}

/// One step of a method, whose slopes and stage are the given fields.
template <std::size_t Stages>
void runge_kutta_step(solver_run& run, const tableau<Stages>& method, const std::vector<field>& slopes, field stage,
                      const noise_level& now, const noise_level& next) {
  run.repeat([&] {
    stage_slopes(run, method, 0, slopes, stage, now, next);
    advance(run, run.x, next, now, share_of(next) - share_of(now), method.weights, slopes);
  });
}

inline constexpr tableau<1> euler_tableau = {{0}, {{0}}, {1}};

/// Walks the times with one method. A step that ends at the clean image is taken with `last`, which must not look
/// there: of one order less it costs nothing in order, being one step alone.
template <std::size_t Stages, std::size_t Last>
void runge_kutta(const char* name, solver_run& run, const std::vector<double>& times, const tableau<Stages>& method,
                 const tableau<Last>& last) {
  static_assert(Last <= Stages);
  std::vector<field> slopes;
  for (std::size_t i = 0; i < Stages; ++i) slopes.push_back(run.make());
  const field stage = run.make();
  for (std::size_t k = 0; k + 1 < times.size(); ++k) {
    const noise_level now = run.level(times[k]), next = run.level(times[k + 1]);
    require_descent(name, now, next);
    if (next.noise > 0)
      runge_kutta_step(run, method, slopes, stage, now, next);
    else
      runge_kutta_step(run, last, slopes, stage, now, next);
    run.reached(next);
  }
}

}  // namespace transfusion::detail
