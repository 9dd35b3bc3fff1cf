// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "transfusion/core/error.hpp"
#include "transfusion/core/policy_name.hpp"
#include "transfusion/diffusion/level.hpp"

namespace transfusion {

/// What a model is asked to predict at one noise level, y = data·x0 + noise·ε. A target policy lowers to these two
/// numbers.
struct coefficients {
  double data = 0;
  double noise = 0;

  friend constexpr bool operator==(const coefficients&, const coefficients&) = default;
};

/// A quantity as a combination of the noised image and the prediction: on_x·x_t + on_y·y.
struct recovery {
  double on_x = 0;
  double on_y = 0;
};

namespace detail {

constexpr double magnitude(double v) { return v < 0 ? -v : v; }

/// a.data·b.noise − a.noise·b.data, the determinant of two quantities in x0 and ε; 0 where only rounding is left of it.
constexpr double determinant(const coefficients& a, const coefficients& b) {
  const double x = a.data * b.noise;
  const double y = a.noise * b.data;
  const bool regular = magnitude(x - y) > 0x1p-50 * (magnitude(x) + magnitude(y));
  return regular ? x - y : 0;
}

/// a/b of two quantities that are multiples of each other, b not nothing.
constexpr double multiple(const coefficients& a, const coefficients& b) {
  return magnitude(b.data) > magnitude(b.noise) ? a.data / b.data : a.noise / b.noise;
}

/// `wanted` from x_t and y into `found`; false where they do not determine it.
constexpr bool solve(const coefficients& x_t, const coefficients& y, const coefficients& wanted, recovery& found) {
  constexpr coefficients nothing{0, 0};
  // One of the two alone is enough where the wanted is a multiple of it.
  if (y != nothing && determinant(wanted, y) == 0)
    found = {.on_x = 0, .on_y = multiple(wanted, y)};
  else if (x_t != nothing && determinant(x_t, wanted) == 0)
    found = {.on_x = multiple(wanted, x_t), .on_y = 0};
  else if (const double det = determinant(x_t, y); det != 0)
    found = {.on_x = (wanted.data * y.noise - wanted.noise * y.data) / det,
             .on_y = (x_t.data * wanted.noise - x_t.noise * wanted.data) / det};
  else
    return false;
  return true;
}

/// `policies` comes first in the message where the caller knows them.
[[noreturn]] inline void throw_unrecoverable(const std::string& what, const noise_level& level,
                                             const coefficients& target, const std::string& policies = "") {
  throw config_error(message(policies, "cannot recover ", what, " at time ", level.time, " (signal ", level.signal,
                             ", noise ", level.noise, ") from the target ", target.data, "·data + ", target.noise,
                             "·noise: expected two independent equations"));
}

}  // namespace detail

/// Any quantity, as data·x0 + noise·ε, from x_t and the prediction y. Throws `config_error` where they do not determine
/// it.
constexpr recovery recover(const noise_level& level, const coefficients& target, const coefficients& wanted) {
  recovery found;
  if (!detail::solve({level.signal, level.noise}, target, wanted, found))
    detail::throw_unrecoverable(detail::message(wanted.data, "·data + ", wanted.noise, "·noise"), level, target);
  return found;
}

/// x0 from x_t and the prediction y. Throws `config_error` where they do not determine it.
constexpr recovery recover_data(const noise_level& level, const coefficients& target) {
  recovery found;
  if (!detail::solve({level.signal, level.noise}, target, {.data = 1, .noise = 0}, found))
    detail::throw_unrecoverable("the data", level, target);
  return found;
}

/// ε from x_t and the prediction y. Throws `config_error` where they do not determine it.
constexpr recovery recover_noise(const noise_level& level, const coefficients& target) {
  recovery found;
  if (!detail::solve({level.signal, level.noise}, target, {.data = 0, .noise = 1}, found))
    detail::throw_unrecoverable("the noise", level, target);
  return found;
}

/// x0 from x_t and what `Target` predicts at a time of a schedule. Throws `config_error` naming both policies where
/// they do not determine it.
template <class Target, noise_schedule Schedule>
recovery recover_data(const Schedule& schedule, double time) {
  const noise_level level = level_at(schedule, time);
  const coefficients target = Target::of(level.signal, level.noise);
  recovery found;
  if (!detail::solve({level.signal, level.noise}, target, {.data = 1, .noise = 0}, found))
    detail::throw_unrecoverable("the data", level, target,
                                policy_name<Target>() + " with " + policy_name<Schedule>() + ": ");
  return found;
}

}  // namespace transfusion
