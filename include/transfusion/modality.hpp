// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>

#include "transfusion/core/pack.hpp"
#include "transfusion/diffusion/concepts.hpp"
#include "transfusion/sequence/document.hpp"

namespace transfusion {

/// How one kind of continuous item is turned into rows, noised, weighted and drawn. A variant is one itself (its own
/// images, modality 0); others derive from it or from `paper` and replace what differs:
///   struct sound : tf::paper { using schedule = tf::schedule::rectified_flow; using target = tf::target::velocity; };
///   struct mine : tf::paper { using other_modalities = tf::modality_list<sound>; };
template <class M>
concept continuous_modality = noise_schedule<typename M::schedule> && prediction_target<typename M::target> &&
    time_sampler<typename M::time_sampling> && loss_weighting<typename M::weighting> &&
    diffusion_solver<typename M::solver> && requires {
  typename M::codec::options;
};

/// The continuous modalities of a variant beside its own, numbered from 1.
template <continuous_modality... M>
struct modality_list {
  static constexpr std::size_t count = sizeof...(M);
};

/// The run-time part of a modality that is not the variant's own.
template <class M>
struct modality_config {
  typename M::codec::options codec{};
  token_t begin = ignored;  ///< stands before each item of this modality: the model's way of asking for one
  token_t end = ignored;    ///< stands after it; always appended, never predicted
  double loss_weight = 1;   ///< of this modality within the denoising loss
};

namespace detail {

template <class M>
struct type_of {
  using type = M;
};

template <class First, class List>
struct all_modalities;
template <class First, class... M>
struct all_modalities<First, modality_list<M...>> {
  static constexpr std::size_t count = 1 + sizeof...(M);
  static_assert(count <= max_modalities, "a variant has at most 8 continuous modalities, its own included");
  using configs = pack_of<modality_config<M>...>;
  template <std::size_t Number>
  using at =
      typename std::remove_cvref_t<decltype(pack_of<type_of<First>, type_of<M>...>{}.template get<Number>())>::type;
  /// One value of type Of<M>::type for each modality M.
  template <template <class> class Of>
  using each = pack_of<typename Of<First>::type, typename Of<M>::type...>;
};

template <class V>
struct modalities_of {
  using type = all_modalities<V, modality_list<>>;
};
template <class V>
requires requires { typename V::other_modalities; }
struct modalities_of<V> {
  using type = all_modalities<V, typename V::other_modalities>;
};

}  // namespace detail

/// All continuous modalities of a variant: `count`, `at<Number>`, `configs` of those beside its own.
template <class Variant>
using modalities_of = typename detail::modalities_of<Variant>::type;

}  // namespace transfusion
