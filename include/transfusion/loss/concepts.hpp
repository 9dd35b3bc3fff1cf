// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <span>
#include <string_view>

#include "transfusion/autograd/parameter.hpp"
#include "transfusion/autograd/tape.hpp"
#include "transfusion/core/image.hpp"

namespace transfusion::loss {

/// What a loss term may look at: the outputs of one forward pass and what they should have been.
template <class Exec>
struct context {
  using real = typename Exec::real;

  transfusion::tape<Exec>& tape;
  var<Exec> hidden;                       ///< [N, D], after the final norm
  var<Exec> prediction;                   ///< [1, all values]; empty without images
  parameter<Exec> head;                   ///< [V, D]
  view<const token_t, 1> text_rows;       ///< [R]; rows with a target
  view<const token_t, 1> targets;         ///< [R]
  view<const image_place, 1> images;      ///< [I]
  view<const real, 1> image_targets;      ///< [all values]
  std::span<const double> image_weights;  ///< [I], from the weighting policy, on the host
  index_t all_targets, all_images;        ///< of the whole optimiser step: what a mean is taken over
};

/// The unweighted values of one term, one an item, on the device. Its mean is their sum over `count`.
template <class Exec>
struct term_values {
  view<const typename Exec::real, 1> each;
  index_t count = 0;
};

/// A term of the objective: evaluates itself with a weight, and on a recording tape starts the way back.
template <class Term, class Exec>
concept loss_term = requires(context<Exec>& c) {
  { Term::name } -> std::convertible_to<std::string_view>;
  { Term::default_weight } -> std::convertible_to<double>;
  { Term::evaluate(c, 1.0) } -> std::same_as<term_values<Exec>>;
};

}  // namespace transfusion::loss
