// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ablation/support/corpus.hpp"
#include "transfusion/diffusion/solver/ddim.hpp"
#include "transfusion/diffusion/solver/ddpm.hpp"
#include "transfusion/diffusion/solver/dpm_pp_2m.hpp"
#include "transfusion/diffusion/solver/euler.hpp"
#include "transfusion/diffusion/solver/heun.hpp"
#include "transfusion/diffusion/solver/midpoint.hpp"
#include "transfusion/diffusion/solver/rk4.hpp"

namespace ablation {

/// How a solver is called in tables and files, and how often it asks the model in a step.
template <class Solver>
struct swept;

template <index_t EachStep>
struct asks {
  static constexpr index_t each_step = EachStep;
};
template <>
struct swept<tf::solver::ddpm> : asks<1> {
  static constexpr const char* name = "ddpm";
};
template <>
struct swept<tf::solver::ddim> : asks<1> {
  static constexpr const char* name = "ddim";
};
template <>
struct swept<tf::solver::euler> : asks<1> {
  static constexpr const char* name = "euler";
};
template <>
struct swept<tf::solver::dpm_pp_2m> : asks<1> {
  static constexpr const char* name = "dpm_pp_2m";
};
template <>
struct swept<tf::solver::heun> : asks<2> {
  static constexpr const char* name = "heun";
};
template <>
struct swept<tf::solver::midpoint> : asks<2> {
  static constexpr const char* name = "midpoint";
};
template <>
struct swept<tf::solver::rk4> : asks<4> {
  static constexpr const char* name = "rk4";
};

}  // namespace ablation
