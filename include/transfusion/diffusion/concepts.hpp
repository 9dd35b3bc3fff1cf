// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>

#include "transfusion/diffusion/coefficients.hpp"
#include "transfusion/diffusion/level.hpp"
#include "transfusion/diffusion/solver/run.hpp"

namespace transfusion {

/// What the model predicts, from the signal a and noise b of a level: `of(a, b)`.
template <class Target>
concept prediction_target = requires(double a, double b) {
  { Target::of(a, b) } -> std::same_as<coefficients>;
};

/// The training time of an image, in (0, 1], from u uniform on (0, 1) and whether the image stands first in its
/// document.
template <class Sampler>
concept time_sampler = requires(const Sampler& sampler, double u, bool image_first) {
  { sampler(u, image_first) } -> std::convertible_to<double>;
};

/// The weight of an image's denoising loss, from its level and what the model predicts there.
template <class Weighting>
concept loss_weighting = requires(const Weighting& weighting, noise_level level, coefficients target) {
  { weighting(level, target) } -> std::convertible_to<double>;
};

/// Whether a weighting that reads a schedule (`schedule_type`) reads the one that the images are noised by.
template <class Weighting, class Schedule>
inline constexpr bool weighs_own_schedule = true;
template <class Weighting, class Schedule>
requires requires { typename Weighting::schedule_type; }
inline constexpr bool weighs_own_schedule<Weighting, Schedule> =
    std::same_as<typename Weighting::schedule_type, Schedule>;

}  // namespace transfusion
