// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "transfusion/diffusion/solver/straight_path.hpp"

namespace transfusion::solver {

/// Dormand & Prince 1980, RK5(4)7M, with steps of its own: each is held within the tolerances in every image, and
/// repeated shorter where it is not. Six evaluations a step. Of the times it takes the first, the last, and the first
/// step as a guess; it stops at `last_time` for one step of Euler's method to the clean image, as there the flow cannot
/// be evaluated (Song et al. 2021, appendix C). One image of a batch may make the steps of all shorter: what a request
/// gives then depends on its neighbours, within the tolerances.
struct rk45 {
  double absolute = 1e-3;
  double relative = 1e-3;
  double last_time = 1e-3;
  int max_steps = 10000;  ///< repeated ones included

  /// Throws `config_error` on a tolerance or time outside its range, `numeric_error` where no step is short enough.
  void operator()(solver_run& run, const std::vector<double>& times) const {
    require<config_error>(absolute >= 0 && relative >= 0 && absolute + relative > 0, "rk45: found tolerances ",
                          absolute, " and ", relative, ", expected both at least 0 and one above");
    require<config_error>(last_time > 0, "rk45: found last_time ", last_time, ", expected above 0");
    if (times.size() < 2) return;
    noise_level now = run.level(times.front());
    const noise_level clean = run.level(times.back());
    detail::require_descent("rk45", now, clean);
    const noise_level end = clean.noise > 0 ? clean : run.level(std::min(last_time, now.time));
    const fields at = {
        {run.make(), run.make(), run.make(), run.make(), run.make(), run.make(), run.make()}, run.make(), run.make()};
    now = integrate(run, at, now, end, detail::share_of(now) - detail::share_of(run.level(times[1])));
    if (clean.noise > 0) return;
    detail::runge_kutta_step(run, detail::euler_tableau, at.slopes, at.next, now, clean);
    run.reached(clean);
  }

 private:
  struct fields {
    std::vector<field> slopes;
    field next, error;
  };

  /// From x at `now` to `end`, which is not clean; `length` is a guess of the first step's share.
  noise_level integrate(solver_run& run, const fields& at, noise_level now, const noise_level& end,
                        double length) const {
    bool known = false;  // slopes[0] is that of x
    for (int step = 0; now.time > end.time; ++step) {
      require<numeric_error>(step < max_steps && length > 1e-12, "rk45: found no step short enough at time ", now.time,
                             " (length ", length, ", step ", step, "), expected an error within the tolerances");
      if (!known) run.repeat([&] { detail::slope_at(run, at.slopes[0], run.x, now); });
      const double left = detail::share_of(now) - detail::share_of(end);
      // A last step that would be very short is joined to the one before.
      const bool last = length > 0.99 * left;
      const noise_level next = last ? end : detail::level_of_share(run, end, now, detail::share_of(now) - length);
      const double taken = detail::share_of(now) - detail::share_of(next);
      attempt(run, at, now, next);
      const double error = run.error(at.error, run.x, at.next, absolute, relative);
      known = true;
      if (error <= 1) {
        run.combine(run.x, {{1, at.next}});
        run.combine(at.slopes[0], {{1, at.slopes[6]}});  // the last slope is the next step's first
        now = next;
        known = !run.reached(now);
      }
      length = taken * change_of_length(error);
    }
    return now;
  }

  /// x at `next`, and how far the methods of order 5 and 4 are apart there.
  static void attempt(solver_run& run, const fields& at, const noise_level& now, const noise_level& next) {
    run.repeat([&] {
      detail::stage_slopes(run, method, 1, at.slopes, at.next, now, next);  // its last argument is x at `next`
      const double scale = detail::size_of(next) * (detail::share_of(next) - detail::share_of(now));
      std::vector<term> apart;
      for (std::size_t i = 0; i < 7; ++i)
        if (gap[i] != 0) apart.push_back({scale * gap[i], at.slopes[i]});
      run.combine(at.error, apart);
    });
  }

  /// Hairer, Nørsett & Wanner, II.4, eq. 4.13, for an error of order 5.
  static double change_of_length(double error) {
    if (!std::isfinite(error)) return 0.1;
    return std::clamp(0.9 * std::pow(std::max(error, 1e-10), -0.2), 0.2, error > 1 ? 1.0 : 5.0);
  }

  static constexpr detail::tableau<7> method = {
      {0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1, 1},
      {{},
       {1.0 / 5},
       {3.0 / 40, 9.0 / 40},
       {44.0 / 45, -56.0 / 15, 32.0 / 9},
       {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
       {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
       {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84}},
      {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84, 0}};
  /// Weights of order 5 less those of order 4.
  static constexpr double gap[7] = {71.0 / 57600,      0,          -71.0 / 16695, 71.0 / 1920,
                                    -17253.0 / 339200, 22.0 / 525, -1.0 / 40};
};

}  // namespace transfusion::solver
