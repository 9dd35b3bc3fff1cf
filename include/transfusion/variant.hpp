// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/codec/linear_patch.hpp"
#include "transfusion/diffusion/concepts.hpp"
#include "transfusion/diffusion/schedule/cosine.hpp"
#include "transfusion/diffusion/solver/ddpm.hpp"
#include "transfusion/diffusion/target/noise.hpp"
#include "transfusion/diffusion/time_sampling/uniform.hpp"
#include "transfusion/diffusion/weighting/unit.hpp"
#include "transfusion/layer/llama_block.hpp"
#include "transfusion/loss/denoising.hpp"
#include "transfusion/loss/next_token.hpp"
#include "transfusion/loss/weighted_sum.hpp"
#include "transfusion/mask/intra_image.hpp"
#include "transfusion/sequence/position.hpp"

namespace transfusion {

/// The paper's recipe, one alias a decision. Derive and replace one to get an ablation:
///   struct causal_only : tf::paper { using mask = tf::mask::causal; };
struct paper {
  using mask = transfusion::mask::intra_image;                // §3: bidirectional inside an image
  using codec = transfusion::codec::linear_patch;             // §3: linear patches
  using schedule = transfusion::schedule::cosine;             // §2.2: Nichol & Dhariwal
  using target = transfusion::target::noise;                  // eq. 3: predict ε
  using time_sampling = transfusion::time_sampling::uniform;  // eq. 3
  using weighting = transfusion::weighting::unit;             // eq. 3: L_simple
  using solver = transfusion::solver::ddpm;                   // §4.1: 250 of 1000 steps
  using loss = transfusion::loss::weighted_sum<transfusion::loss::next_token, transfusion::loss::denoising>;  // eq. 4
  using block = transfusion::block::llama;             // §4.1: Llama
  using position = transfusion::position::sequential;  // not stated: patches are counted like words
};

/// A struct with one alias a decision, each a model of its family's concept. The codec, the block and the loss terms
/// are checked against an execution policy where a model is made.
template <class V>
concept variant =
    attention_mask<typename V::mask> && noise_schedule<typename V::schedule> && prediction_target<typename V::target> &&
    time_sampler<typename V::time_sampling> && loss_weighting<typename V::weighting> &&
    diffusion_solver<typename V::solver> && position_policy<typename V::position> && requires {
  typename V::codec::options;
  typename V::block;
  { V::loss::terms } -> std::convertible_to<std::size_t>;
};

}  // namespace transfusion
