// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ablation/support/experiment.hpp"
#include "transfusion/codec/unet.hpp"
#include "transfusion/diffusion/target/v.hpp"
#include "transfusion/model.hpp"

namespace ablation {

/// What the experiments start from: the paper's recipe with the v target, which is steadier in short runs.
struct base : tf::paper {
  using target = tf::target::v;
};

/// The same with the paper's U-Net blocks round the transformer.
struct unet : base {
  using codec = tf::codec::unet;
};

}  // namespace ablation
