// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/codec/codes.hpp"
#include "transfusion/loss/z_loss.hpp"
#include "transfusion/mask/causal.hpp"
#include "transfusion/model.hpp"

namespace transfusion {

/// The paper's baseline (§4.1): Chameleon (2024) with its images as codes of a VQ-VAE in the vocabulary, one next-token
/// loss for both, and what keeps it stable. It is trained at `chameleon_peak_rate`; all else is as in `paper`. A
/// continuous modality beside it needs a loss with `denoising`.
struct chameleon : paper {
  using mask = transfusion::mask::causal;            // everywhere
  using codec = transfusion::codec::codes;           // image tokens
  using norm_place = transfusion::norm_place::swin;  // "post-normalization"; the release's swin_norm
  using qk_norm = transfusion::qk_norm::on;          // "query-key normalization"
  using loss = transfusion::loss::weighted_sum<transfusion::loss::next_token, transfusion::loss::z_loss>;  // fn. 12
};

inline constexpr double chameleon_peak_rate = 1e-4;  ///< paper §4.1, against 3e-4 of the others

}  // namespace transfusion
