// SPDX-License-Identifier: Apache-2.0
// Paper Table 6: the size of a patch, at a constant number of patches a step, so that larger ones show more pictures.
#include "ablation/support/experiment.hpp"

namespace ablation {

experiment patch(const settings& s) {
  experiment e{"patch",
               "Patch size",
               "Paper Table 6: every variant reads the same number of patches, so larger patches show more pictures.",
               {},
               {}};
  const auto add = [&](const std::string& codec, const std::string& label, trial_run run, index_t side) {
    const std::string text = std::to_string(side);
    const bool usual = side == trial_sizes{}.patch;  // then it is the others' run
    e.trials.push_back({usual ? codec : codec + "_patch" + text,
                        label + ", " + text + " × " + text,
                        run,
                        {.patch = side, .equal_patches = !usual},
                        label,
                        static_cast<double>(side)});
  };
  const index_t largest = s.data == data_set::fashion ? 7 : 8;  // that divides the pictures
  for (const index_t side : {index_t{1}, index_t{2}, index_t{4}, largest}) add("base", "linear", base_run(), side);
  add("unet", "U-Net", unet_run(), 2);
  add("unet", "U-Net", unet_run(), 4);
  if (s.data == data_set::emoji) add("unet", "U-Net", unet_run(), 8);
  e.x_label = "patch side (pixels)";
  e.claims = {{"Larger linear patches draw worse", "paper, Table 6: FID 20.3 (2 × 2) → 43.5 (8 × 8)", "frechet",
               "base_patch2", "base_patch" + std::to_string(largest), direction::rises},
              {"Single pixels draw about as 2 × 2 does", "paper, Table 6: FID 21.0 → 20.3", "frechet", "base_patch1",
               "base_patch2", direction::stays},
              {"With the U-Net larger patches draw no worse", "paper, Table 6: FID 16.7 (2 × 2) → 16.0 (4 × 4)",
               "frechet", "unet_patch2", "unet", direction::stays},
              {"With the U-Net larger patches caption better", "paper, Table 6: CIDEr 25.4 (2 × 2) → 29.9 (4 × 4)",
               "ranked", "unet_patch2", "unet", direction::rises}};
  return e;
}

}  // namespace ablation
