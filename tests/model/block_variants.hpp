// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/small_model.hpp"

// One variant for each part that a block is made of, on the small model.
namespace small_model {

struct layer_normed : paper {
  using norm = transfusion::norm::layer;
};
struct post_normed : paper {
  using norm_place = transfusion::norm_place::post;
};
struct swin_normed : paper {
  using norm_place = transfusion::norm_place::swin;
};
struct qk_normed : paper {
  using qk_norm = transfusion::qk_norm::on;
};
struct gelu_fed : paper {
  using feed_forward = transfusion::feed_forward::gelu;
};
struct tied_embeddings : paper {
  using embeddings = transfusion::embeddings::tied;
};
struct adaln_timed : paper {
  using timestep = transfusion::timestep::adaln_zero;
};
struct token_timed : paper {
  using timestep = transfusion::timestep::token;
};
struct ffn_routed : paper {
  using routing = transfusion::routing::ffn;
};
struct qkv_and_ffn_routed : paper {
  using routing = transfusion::routing::qkv_and_ffn;
};
struct all_routed : paper {
  using routing = transfusion::routing::all;
};
struct per_image_positions : paper {
  using position = transfusion::position::per_image;
};
struct axial_2d_positions : paper {
  using position = transfusion::position::axial_2d;
};
struct axial_3d_positions : paper {
  using position = transfusion::position::axial_3d;
};
struct hidden_noise : paper {
  using mask = transfusion::mask::noised_hidden;
};

/// Chameleon's block (2024, §2.3) on Mixture-of-Transformers' weights, with a token that tells the time.
struct everything : paper {
  using norm = transfusion::norm::layer;
  using norm_place = transfusion::norm_place::swin;
  using qk_norm = transfusion::qk_norm::on;
  using feed_forward = transfusion::feed_forward::gelu;
  using embeddings = transfusion::embeddings::tied;
  using timestep = transfusion::timestep::token;
  using routing = transfusion::routing::all;
  using position = transfusion::position::axial_2d;
};
/// The other values, and DiT's modulation.
struct everything_else : paper {
  using norm_place = transfusion::norm_place::post;
  using qk_norm = transfusion::qk_norm::on;
  using timestep = transfusion::timestep::adaln_zero;
  using routing = transfusion::routing::qkv_and_ffn;
  using position = transfusion::position::axial_3d;
  using mask = transfusion::mask::noised_hidden;
};

/// Calls f(Variant{}, name) for each of them.
template <class F>
void each_block_variant(F f) {
  f(layer_normed{}, "norm::layer");
  f(post_normed{}, "norm_place::post");
  f(swin_normed{}, "norm_place::swin");
  f(qk_normed{}, "qk_norm::on");
  f(gelu_fed{}, "feed_forward::gelu");
  f(tied_embeddings{}, "embeddings::tied");
  f(adaln_timed{}, "timestep::adaln_zero");
  f(token_timed{}, "timestep::token");
  f(ffn_routed{}, "routing::ffn");
  f(qkv_and_ffn_routed{}, "routing::qkv_and_ffn");
  f(all_routed{}, "routing::all");
  f(per_image_positions{}, "position::per_image");
  f(axial_2d_positions{}, "position::axial_2d");
  f(axial_3d_positions{}, "position::axial_3d");
  f(hidden_noise{}, "mask::noised_hidden");
  f(everything{}, "everything");
  f(everything_else{}, "everything else");
}

}  // namespace small_model
