// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/error.hpp"
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

[[noreturn]] inline void throw_unrecoverable(const char* what, const noise_level& level, const coefficients& target) {
  throw config_error(message("cannot recover the ", what, " at time ", level.time, " (signal ", level.signal,
                             ", noise ", level.noise, ") from the target ", target.data, "·data + ", target.noise,
                             "·noise: expected two independent equations"));
}

/// signal·q − noise·p, the determinant of x_t and y in x0 and ε; 0 where only rounding is left of it.
constexpr double determinant(const noise_level& level, const coefficients& target) {
  const double x = level.signal * target.noise;
  const double y = level.noise * target.data;
  const bool regular = magnitude(x - y) > 0x1p-50 * (magnitude(x) + magnitude(y));
  return regular ? x - y : 0;
}

}  // namespace detail

/// x0 from x_t and the prediction y. Throws `config_error` where they do not determine it.
constexpr recovery recover_data(const noise_level& level, const coefficients& target) {
  // Either equation alone is enough where the noise is absent from it.
  if (target.noise == 0 && target.data != 0) return {.on_x = 0, .on_y = 1 / target.data};
  if (level.noise == 0 && level.signal != 0) return {.on_x = 1 / level.signal, .on_y = 0};
  const double det = detail::determinant(level, target);
  if (det == 0) detail::throw_unrecoverable("data", level, target);
  return {.on_x = target.noise / det, .on_y = -level.noise / det};
}

/// ε from x_t and the prediction y. Throws `config_error` where they do not determine it.
constexpr recovery recover_noise(const noise_level& level, const coefficients& target) {
  if (target.data == 0 && target.noise != 0) return {.on_x = 0, .on_y = 1 / target.noise};
  if (level.signal == 0 && level.noise != 0) return {.on_x = 1 / level.noise, .on_y = 0};
  const double det = detail::determinant(level, target);
  if (det == 0) detail::throw_unrecoverable("noise", level, target);
  return {.on_x = -target.data / det, .on_y = level.signal / det};
}

}  // namespace transfusion
