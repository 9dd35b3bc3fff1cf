// SPDX-License-Identifier: Apache-2.0
// Paper Table 5: attention inside a picture, causal or both ways, with linear patches and with the U-Net.
#include "ablation/support/run.hpp"
#include "transfusion/mask/causal.hpp"

namespace ablation {

namespace {

struct causal : base {
  using mask = tf::mask::causal;
};
struct causal_unet : unet {
  using mask = tf::mask::causal;
};

}  // namespace

experiment attention() {
  experiment e{"attention",
               "Attention inside a picture",
               "Paper Table 5: patches see the patches before them only (causal), or all of their picture (both ways).",
               {{"causal", "linear, causal", run_of<causal>()},
                {"base", "linear, both ways", base_run()},
                {"causal_unet", "U-Net, causal", run_of<causal_unet>()},
                {"unet", "U-Net, both ways", unet_run()}},
               {}};
  e.claims = {{"With linear patches, attention both ways draws better", "paper, Table 5: FID 61.3 → 20.3", "frechet",
               "causal", "base", direction::falls},
              {"With linear patches, attention both ways captions better", "paper, Table 5: CIDEr 12.7 → 16.0",
               "ranked", "causal", "base", direction::rises},
              {"With the U-Net, which sees both ways itself, the mask matters little",
               "paper, Table 5: FID 16.8 → 16.7", "frechet", "causal_unet", "unet", direction::stays},
              {"Under a causal mask the U-Net draws better", "paper, Table 5: FID 61.3 → 16.8", "frechet", "causal",
               "causal_unet", direction::falls},
              {"Text does not care for the mask", "paper, Table 5: C4 perplexity 10.4 → 10.4", "perplexity", "causal",
               "base", direction::stays}};
  return e;
}

}  // namespace ablation
