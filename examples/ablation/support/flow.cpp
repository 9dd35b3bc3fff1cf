// SPDX-License-Identifier: Apache-2.0
// Diffusion as in the paper against rectified flow, which the paper names as future work, by solver steps.
#include "ablation/support/run.hpp"
#include "transfusion/diffusion/schedule/rectified_flow.hpp"
#include "transfusion/diffusion/target/velocity.hpp"

namespace ablation {

namespace {

struct rectified : tf::paper {
  using schedule = tf::schedule::rectified_flow;
  using target = tf::target::velocity;
};

}  // namespace

experiment flow(const settings& s) {
  experiment e{"flow",
               "Diffusion or rectified flow",
               "The paper's cosine schedule, ancestral sampler and noise target, the same with the v target, and a "
               "rectified flow with its velocity as target and Euler's method, by solver steps. Their denoising losses "
               "measure different things and are not compared.",
               {{"noise", "cosine, ε", run_of<tf::paper, tf::solver::ddpm>()},
                {"v", "cosine, v", run_of<base, tf::solver::ddpm>()},
                {"rectified", "rectified flow, velocity", run_of<rectified, tf::solver::euler>()}},
               {}};
  e.measures = {"perplexity", "ranked"};
  const auto at = [](const char* solver, index_t evaluations) {
    return "frechet:" + std::string(solver) + ":" + std::to_string(evaluations);
  };
  const index_t fewest = swept_evaluations(s).front(), few = swept_evaluations(s)[1],
                most = swept_evaluations(s).back();
  e.claims = {
      {"The paper's sampler loses with few steps", "Nichol & Dhariwal 2021, §4: few steps cost FID", at("ddpm", most),
       "noise", "noise", direction::rises, at("ddpm", fewest)},
      {"At few steps the rectified flow draws better than the paper's recipe",
       "Lipman et al. 2022, §6: lower FID at few evaluations", at("ddpm", few), "noise", "rectified", direction::falls,
       at("euler", few)},
      {"At many steps the rectified flow draws better too", "Lipman et al. 2022, Table 1: lower FID on ImageNet",
       at("ddpm", most), "noise", "rectified", direction::falls, at("euler", most)}};
  return e;
}

}  // namespace ablation
