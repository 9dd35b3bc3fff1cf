// SPDX-License-Identifier: Apache-2.0
// One trained model, drawn from with every solver at the same numbers of evaluations.
#include "ablation/support/run.hpp"

namespace ablation {

experiment solvers(const settings& s) {
  experiment e{
      "solver",
      "Solvers by evaluations of the model",
      "One model (cosine, v), drawn from with each solver. Heun's method and the midpoint rule ask the model twice a "
      "step, RK4 four times, the others once.",
      {{"solvers", "cosine, v",
        run_of<base, tf::solver::ddpm, tf::solver::ddim, tf::solver::dpm_pp_2m, tf::solver::heun, tf::solver::midpoint,
               tf::solver::rk4>()}},
      {}};
  e.measures = {"perplexity", "ranked"};
  const index_t few = swept_evaluations(s)[1], most = swept_evaluations(s).back();
  const auto at = [](const char* solver, index_t evaluations) {
    return "frechet:" + std::string(solver) + ":" + std::to_string(evaluations);
  };
  e.claims = {
      {"At few evaluations DDIM draws better than ancestral sampling",
       "Song et al. 2020, Table 1: CIFAR-10, 10 steps, FID 41.07 → 13.36", at("ddpm", few), "solvers", "solvers",
       direction::falls, at("ddim", few)},
      {"At few evaluations DPM-Solver++(2M) draws better than DDIM",
       "Lu et al. 2022, §6: better FID at 10 to 20 evaluations", at("ddim", few), "solvers", "solvers",
       direction::falls, at("dpm_pp_2m", few)},
      {"At many evaluations the solvers of the flow draw alike", "they solve one equation, and their errors vanish",
       at("ddim", most), "solvers", "solvers", direction::stays, at("dpm_pp_2m", most)}};
  return e;
}

}  // namespace ablation
