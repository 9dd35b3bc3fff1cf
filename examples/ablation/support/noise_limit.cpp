// SPDX-License-Identifier: Apache-2.0
// Paper Table 8: at most half of the noise in pictures that come before their caption.
#include "ablation/support/run.hpp"
#include "transfusion/diffusion/time_sampling/limited.hpp"

namespace ablation {

namespace {

struct limited : base {
  using time_sampling = tf::time_sampling::limited<500>;
};
struct limited_unet : unet {
  using time_sampling = tf::time_sampling::limited<500>;
};

}  // namespace

experiment noise_limit() {
  experiment e{"noise_limit",
               "A limit to the noise of pictures that come first",
               "Paper Table 8: one picture in five comes before its caption; with the limit its noise is t ≤ 500 of "
               "1000. The paper shows the U-Net.",
               {{"base", "linear, no limit", base_run()},
                {"limited", "linear, t ≤ 500", run_of<limited>()},
                {"unet", "U-Net, no limit", unet_run()},
                {"limited_unet", "U-Net, t ≤ 500", run_of<limited_unet>()}},
               {}};
  e.claims = {{"With the U-Net the limit captions better", "paper, Table 8, 0.76B: CIDEr 25.4 → 29.4", "ranked", "unet",
               "limited_unet", direction::rises},
              {"With linear patches the limit captions better", "not in the paper; as its U-Net", "ranked", "base",
               "limited", direction::rises},
              {"With the U-Net the limit does not change drawing", "paper, Table 8, 0.76B: FID 16.7 → 16.5", "frechet",
               "unet", "limited_unet", direction::stays},
              {"With linear patches the limit does not change drawing", "not in the paper; as its U-Net", "frechet",
               "base", "limited", direction::stays}};
  return e;
}

}  // namespace ablation
