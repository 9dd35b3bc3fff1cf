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
  std::span<const double> text_shares;    ///< [R]; the part of each row in the mean over the whole optimiser step
  std::span<const double> image_shares;   ///< [I]; the part of each image; 0 where it is not learnt
  double label_smoothing = 0;             ///< share of the target that the next-token loss spreads over the vocabulary
  double z_weight = 0;                    ///< of z_loss, which the head's pass works out with the next-token loss
  view<const real, 1> teacher{};          ///< [all values]; another model's prediction, where the caller gave one
  view<const real, 1> log_z{};            ///< [R]; left by the next-token loss
};

/// The unweighted values of one term, one an item, on the device, and the part of each in the mean. The term's value is
/// Σ shares[i] · each[i], or Σ shares[i] · each[i]².
template <class Exec>
struct term_values {
  view<const typename Exec::real, 1> each;  ///< one an item, on the device
  std::span<const double> shares;           ///< the part of each in the mean, on the host
  bool squares = false;                     ///< whether the term is made of the squares of `each`

  /// What item i adds to the term's value.
  double part(index_t i, double value) const {
    return shares[static_cast<std::size_t>(i)] * (squares ? value * value : value);
  }
};

/// A term of the objective: evaluates itself with a weight, and on a recording tape starts the way back.
template <class Term, class Exec>
concept loss_term = requires(context<Exec>& c) {
  { Term::name } -> std::convertible_to<std::string_view>;
  { Term::default_weight } -> std::convertible_to<double>;
  { Term::evaluate(c, 1.0) } -> std::same_as<term_values<Exec>>;
};

}  // namespace transfusion::loss
