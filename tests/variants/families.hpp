// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <tuple>
#include <vector>

#include "transfusion/codec/raw.hpp"
#include "transfusion/codec/unet.hpp"
#include "transfusion/diffusion/time_sampling/per_document.hpp"
#include "transfusion/diffusion/time_sampling/shifted.hpp"
#include "transfusion/diffusion/weighting/measured_as.hpp"
#include "transfusion/diffusion/weighting/per_schedule.hpp"
#include "transfusion/model.hpp"
#include "variants/covering.hpp"

// The policies that ship, family by family, and variant_of<N>, which takes one of each.
namespace variants {

namespace tf = transfusion;

template <class... T>
using list = std::tuple<T...>;

/// The schedule of a user who has ᾱ alone: 1 − 0.999·t².
struct falling {
  static std::vector<double> alpha_bar() {
    std::vector<double> a;
    for (int n = 1; n <= 100; ++n) a.push_back(1 - 0.999 * n * n / 1e4);
    return a;
  }
};
struct ddim_with_noise : tf::solver::ddim {
  ddim_with_noise() : tf::solver::ddim{0.5} {}
};
using text_and_image = tf::loss::weighted_sum<tf::loss::next_token, tf::loss::denoising>;
using text_z_and_image = tf::loss::weighted_sum<tf::loss::next_token, tf::loss::z_loss, tf::loss::denoising>;
using image_first = tf::loss::weighted_sum<tf::loss::denoising, tf::loss::next_token>;

/// The families in the order in which a variant's data pass them.
enum family : std::size_t {
  mask,
  position,
  codec,
  timestep,
  schedule,
  target,
  time_sampling,
  weighting,
  solver,
  loss,
  norm,
  norm_place,
  qk_norm,
  feed_forward,
  routing,
  embeddings,
  families
};

/// The weighting reads the variant's schedule, so it is a template of it here.
template <class>
struct unit : tf::weighting::unit {};
template <class>
struct min_snr : tf::weighting::min_snr<> {};
template <class>
struct as_velocity : tf::weighting::measured_as<tf::target::velocity> {};
template <class Schedule>
struct of_schedule : tf::weighting::per_schedule<Schedule> {};
template <class Schedule>
using weightings = list<unit<Schedule>, min_snr<Schedule>, as_velocity<Schedule>, of_schedule<Schedule>>;

using policies =
    list<list<tf::mask::intra_image, tf::mask::causal, tf::mask::bidirectional, tf::mask::prefix<>,
              tf::mask::sliding_window<tf::mask::intra_image, 3>, tf::mask::noised_hidden,
              tf::mask::both<tf::mask::intra_image, tf::mask::sliding_window<tf::mask::intra_image, 5>>,
              tf::mask::either<tf::mask::causal, tf::mask::intra_image>>,
         list<tf::position::sequential, tf::position::per_image, tf::position::axial_2d, tf::position::axial_3d>,
         list<tf::codec::linear_patch, tf::codec::raw, tf::codec::unet>,
         list<tf::timestep::added, tf::timestep::adaln_zero, tf::timestep::token>,
         list<tf::schedule::cosine, tf::schedule::linear, tf::schedule::scaled_linear, tf::schedule::sigmoid,
              tf::schedule::rectified_flow, tf::schedule::table<falling>>,
         list<tf::target::noise, tf::target::data, tf::target::v, tf::target::velocity>,
         list<tf::time_sampling::uniform, tf::time_sampling::limited<>, tf::time_sampling::logit_normal,
              tf::time_sampling::shifted<>, tf::time_sampling::per_document<>>,
         weightings<void>,
         list<tf::solver::ddpm, tf::solver::ddpm_large, tf::solver::ddim, ddim_with_noise, tf::solver::euler,
              tf::solver::heun, tf::solver::midpoint, tf::solver::rk4, tf::solver::rk45, tf::solver::dpm_pp_2m>,
         list<text_and_image, text_z_and_image, image_first>,  //
         list<tf::norm::rms, tf::norm::layer>,                 //
         list<tf::norm_place::pre, tf::norm_place::post, tf::norm_place::swin>,
         list<tf::qk_norm::off, tf::qk_norm::on>,  //
         list<tf::feed_forward::swiglu, tf::feed_forward::gelu>,
         list<tf::routing::shared, tf::routing::ffn, tf::routing::qkv_and_ffn, tf::routing::all>,
         list<tf::embeddings::untied, tf::embeddings::tied>>;

template <std::size_t... F>
constexpr std::array<std::size_t, families> sizes_of(std::index_sequence<F...>) {
  return {std::tuple_size_v<std::tuple_element_t<F, policies>>...};
}
inline constexpr auto sizes = sizes_of(std::make_index_sequence<families>{});

inline constexpr std::size_t count = 208, most_in_family = 10;
inline constexpr auto choices = covering<count, most_in_family>(sizes);

template <std::size_t N, family F>
using chosen = std::tuple_element_t<choices[N][F], std::tuple_element_t<F, policies>>;

/// Variant N of the list.
template <std::size_t N>
struct variant_of : tf::paper {
  using mask = chosen<N, family::mask>;
  using position = chosen<N, family::position>;
  using codec = chosen<N, family::codec>;
  using timestep = chosen<N, family::timestep>;
  using schedule = chosen<N, family::schedule>;
  using target = chosen<N, family::target>;
  using time_sampling = chosen<N, family::time_sampling>;
  using weighting = std::tuple_element_t<choices[N][family::weighting], weightings<schedule>>;
  using solver = chosen<N, family::solver>;
  using loss = chosen<N, family::loss>;
  using norm = chosen<N, family::norm>;
  using norm_place = chosen<N, family::norm_place>;
  using qk_norm = chosen<N, family::qk_norm>;
  using feed_forward = chosen<N, family::feed_forward>;
  using routing = chosen<N, family::routing>;
  using embeddings = chosen<N, family::embeddings>;
};

}  // namespace variants
