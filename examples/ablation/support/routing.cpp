// SPDX-License-Identifier: Apache-2.0
// One set of weights for text and patches, as in the paper, or one for each.
#include "ablation/support/run.hpp"

namespace ablation {

namespace {

struct own_ffn : base {
  using routing = tf::routing::ffn;
};
struct own_weights : base {
  using routing = tf::routing::all;
};

}  // namespace

experiment routing() {
  experiment e{
      "routing",
      "Weights shared or per modality",
      "The paper's transformer is one for text and patches. With weights of their own (Mixture-of-Transformers) "
      "a row costs as much as before, and there are more parameters.",
      {{"base", "all shared", base_run()},
       {"own_ffn", "own feed-forward", run_of<own_ffn>()},
       {"own_weights", "all their own", run_of<own_weights>()}},
      {}};
  e.claims = {{"Own weights draw better", "Liang et al. 2024, §3.4: lower FID at equal work", "frechet", "base",
               "own_weights", direction::falls},
              {"Own weights denoise better", "Liang et al. 2024, §3.4: lower image loss at equal work", "denoising",
               "base", "own_weights", direction::falls},
              {"Own weights cost text nothing", "Liang et al. 2024, §3.4: about equal text loss", "perplexity", "base",
               "own_weights", direction::stays}};
  return e;
}

}  // namespace ablation
