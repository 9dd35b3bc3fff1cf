// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/parameter.hpp"
#include "transfusion/autograd/tape.hpp"
#include "transfusion/core/error.hpp"

namespace transfusion {

/// What the head's cross-entropy leaves behind, one number a row; 0 where the target is `ignored`.
template <class Exec>
struct token_losses {
  view<typename Exec::real, 1> cross_entropy;  ///< -log P(target), in nats; smoothed where that was asked for
  view<typename Exec::real, 1> log_z;          ///< log of the softmax denominator
};

/// Σ weights[n] · (-log softmax(w x[n])[targets[n]] + z_weight · log² Z[n]) in chunks of rows: the logits never stand
/// whole in memory. A root: on a recording tape the gradients of x and w are worked out in the same pass. x: [N, D]; w:
/// [V, D]; targets, weights: [N] on the device. `smoothing` spreads that share of the target evenly over the vocabulary
/// (Szegedy et al. 2016, §7). Throws config_error where it is outside [0, 1].
template <class Exec>
token_losses<Exec> head_cross_entropy(tape<Exec>& tape, var<Exec> x, parameter<Exec> w, view<const token_t, 1> targets,
                                      view<const typename Exec::real, 1> weights, double z_weight = 0,
                                      double smoothing = 0) {
  require_extent(w.name(), w.cols(), x.cols());
  require_extent("head_cross_entropy: targets", targets.size(), x.rows());
  require<config_error>(smoothing >= 0 && smoothing <= 1, "head_cross_entropy: smoothing: found ", smoothing,
                        ", expected 0 <= smoothing <= 1");
  token_losses<Exec> losses{tape.saved_real(x.rows()), tape.saved_real(x.rows())};
  const auto sink = tape.sink(x);
  // The pass writes dx over, and works out dw with it only: constant inputs need a place for it too.
  const bool beside = sink.add || (!sink && tape.records());
  const auto dx = beside ? tape.saved(x.rows(), x.cols()) : sink.into;
  const auto dw = tape.records() ? w.gradient() : view<typename Exec::real, 2>{};
  tape.exec().cross_entropy(losses.cross_entropy, losses.log_z, dx, dw, x.value(), w.value(), targets, weights,
                            z_weight, smoothing);
  if (sink.add) tape.exec().accumulate(sink, dx);
  return losses;
}

}  // namespace transfusion
