// SPDX-License-Identifier: Apache-2.0
// The weight λ of the denoising loss beside the next-token loss (paper eq. 4).
#include "ablation/support/experiment.hpp"

namespace ablation {

experiment lambda() {
  experiment e{"lambda",
               "The weight of the denoising loss",
               "Paper §4.1 takes λ = 5 \"following preliminary experiments\" and shows none of them.",
               {{"lambda1", "λ = 1", base_run(), {.lambda = 1}, "linear", 1},
                {"base", "λ = 5", base_run(), {}, "linear", 5},
                {"lambda20", "λ = 20", base_run(), {.lambda = 20}, "linear", 20}},
               {}};
  e.x_label = "λ";
  e.claims = {{"A larger λ draws better", "not in the paper; the loss is weighed for it", "frechet", "lambda1",
               "lambda20", direction::falls},
              {"A larger λ costs text", "not in the paper; the loss is weighed against it", "perplexity", "lambda1",
               "lambda20", direction::rises},
              {"The step from 1 to 5 lowers the denoising loss", "paper §4.1: λ = 5 was chosen", "denoising", "lambda1",
               "base", direction::falls}};
  return e;
}

}  // namespace ablation
