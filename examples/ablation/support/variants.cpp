// SPDX-License-Identifier: Apache-2.0
#include "ablation/support/run.hpp"

namespace ablation {

trial_run base_run() { return run_of<base>(); }
trial_run unet_run() { return run_of<unet>(); }

}  // namespace ablation
