// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/codec/linear_patch.hpp"
#include "transfusion/diffusion/concepts.hpp"
#include "transfusion/diffusion/schedule/cosine.hpp"
#include "transfusion/diffusion/solver/ddpm.hpp"
#include "transfusion/diffusion/target/noise.hpp"
#include "transfusion/diffusion/time_sampling/uniform.hpp"
#include "transfusion/diffusion/weighting/unit.hpp"
#include "transfusion/layer/embeddings.hpp"
#include "transfusion/layer/transformer_block.hpp"
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
  using position = transfusion::position::sequential;      // not stated: patches are counted like words
  using block = transfusion::block::transformer;           // §4.1: Llama, with the parts below
  using norm = transfusion::norm::rms;                     // Llama
  using norm_place = transfusion::norm_place::pre;         // Llama
  using qk_norm = transfusion::qk_norm::off;               // Llama
  using feed_forward = transfusion::feed_forward::swiglu;  // §4.1, fn. 4
  using routing = transfusion::routing::shared;            // §3: one transformer for all rows
  using timestep = transfusion::timestep::added;           // §3, fn. 6: an embedding added to the patches
  using embeddings = transfusion::embeddings::untied;      // fits the sizes of Table 2
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
  typename V::norm;
  typename V::qk_norm;
  { V::loss::terms } -> std::convertible_to<std::size_t>;
  { V::norm_place::before } -> std::convertible_to<bool>;
  { V::feed_forward::hidden(index_t{}) } -> std::convertible_to<index_t>;
  { V::routing::separate } -> std::convertible_to<separate_weights>;
  { V::timestep::lead_rows } -> std::convertible_to<index_t>;
  { V::embeddings::one_matrix } -> std::convertible_to<bool>;
};

/// The parts that the type of a variant's blocks depends on.
template <class V>
using block_parts_of = block_parts<typename V::norm, typename V::norm_place, typename V::qk_norm,
                                   typename V::feed_forward, V::timestep::modulates>;

}  // namespace transfusion
