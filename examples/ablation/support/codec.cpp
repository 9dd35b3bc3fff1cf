// SPDX-License-Identifier: Apache-2.0
// Paper Table 7: linear patches against U-Net blocks of one size, at three widths of the transformer.
#include "ablation/support/experiment.hpp"

namespace ablation {

experiment codec() {
  experiment e{"codec",
               "Linear patches or U-Net",
               "Paper Table 7: the same U-Net blocks round transformers of three widths.",
               {},
               {}};
  struct size {
    const char *name, *label;
    double width;
  };
  for (const size& z : {size{"half", "half width", 0.5}, {"whole", "whole width", 1}, {"double", "double width", 2}}) {
    const std::string name = z.name, label = z.label;
    const std::string linear = z.width == 1 ? "base" : "base_" + name, unet = z.width == 1 ? "unet" : "unet_" + name;
    e.trials.push_back({linear, "linear, " + label, base_run(), {.width = z.width}, "linear", z.width});
    e.trials.push_back({unet, "U-Net, " + label, unet_run(), {.width = z.width}, "U-Net", z.width});
    e.claims.push_back({"At " + label + " the U-Net draws better",
                        z.width < 1   ? "paper, Table 7, 0.16B: FID 37.6 → 18.8"
                        : z.width > 1 ? "paper, Table 7, 7B: FID 18.6 → 16.0"
                                      : "paper, Table 7, 0.76B: FID 20.3 → 16.7",
                        "frechet", linear, unet, direction::falls});
  }
  e.claims.push_back({"The U-Net captions better", "paper, Table 7, 0.76B: CIDEr 16.0 → 25.4", "ranked", "base", "unet",
                      direction::rises});
  e.claims.push_back({"A wider transformer with linear patches draws better",
                      "paper, Table 7: FID 37.6 (0.16B) → 18.6 (7B)", "frechet", "base_half", "base_double",
                      direction::falls});
  e.x_label = "width of the transformer, in shares of the settings'";
  return e;
}

}  // namespace ablation
