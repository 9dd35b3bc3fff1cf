// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/op/linear.hpp"
#include "transfusion/autograd/op/reshape.hpp"
#include "transfusion/autograd/op/unit_rows.hpp"
#include "transfusion/core/error.hpp"

namespace transfusion {

/// What each row of a contrastive loss got, [B] of both, in nats. The loss is the mean of all 2B.
template <class Exec>
struct contrastive_losses {
  view<typename Exec::real, 1> images;  ///< -log P(its own text among those of the batch)
  view<typename Exec::real, 1> texts;   ///< -log P(its own image among those of the batch)
};

namespace detail {

/// Σ 1/(2B) · (-log softmax(keys queries[n])[n]), with the gradients of both on a recording tape. Both: [B, F].
template <class Exec>
view<typename Exec::real, 1> own_key_loss(tape<Exec>& tape, var<Exec> queries, var<Exec> keys,
                                          view<const token_t, 1> own) {
  using real = typename Exec::real;
  Exec& exec = tape.exec();
  const index_t n = queries.rows(), width = queries.cols();
  const auto losses = tape.saved_real(n), log_z = tape.saved_real(n), weights = tape.saved_real(n);
  exec.fill(weights, 0.5 / static_cast<double>(n));
  if (!tape.records()) {
    exec.cross_entropy(losses, log_z, {}, {}, queries.value(), keys.value(), own, weights, 0, 0);
    return losses;
  }
  const auto dqueries = tape.saved(n, width), dkeys = tape.saved(n, width);
  const view<real, 2> sums = tape.saved_real(n, width);  // the pass adds to them, and in real
  exec.fill(sums.flat(), 0);
  exec.cross_entropy(losses, log_z, dqueries, sums, queries.value(), keys.value(), own, weights, 0, 0);
  exec.narrow(dkeys.flat(), sums.flat());
  if (const auto sink = tape.sink(queries)) exec.accumulate(sink, dqueries);
  if (const auto sink = tape.sink(keys)) exec.accumulate(sink, dkeys);
  return losses;
}

}  // namespace detail

/// The symmetric loss of CLIP (Radford et al. 2021, figure 3): row n of `images` [B, F] and of `texts` [B, F] are a
/// pair, and each is to be told from the B - 1 others by the logits scale · factor · cos(image, text). `factor` is a
/// learnt parameter [1, 1], left out: 1; that of CLIP is learnt as its logarithm, with scale 1/0.07 at first. A root:
/// the loss is the mean over both directions. Throws shape_error where the two differ in extents or `factor` is not one
/// number, config_error on no pair, a scale that is not > 0.
template <class Exec>
contrastive_losses<Exec> contrastive_loss(tape<Exec>& tape, var<Exec> images, var<Exec> texts, double scale,
                                          parameter<Exec> factor = {}) {
  require_extent("contrastive_loss: texts", texts.rows(), images.rows());
  require_extent("contrastive_loss: width of the texts", texts.cols(), images.cols());
  require<config_error>(images.rows() > 0, "contrastive_loss: found no pair, expected one at least");
  require<config_error>(scale > 0, "contrastive_loss: scale: found ", scale, ", expected > 0");
  if (factor) require_extent(factor.name(), factor.size(), 1);
  auto own = tape.template list<token_t>(images.rows());
  for (index_t n = 0; n < images.rows(); ++n) own.push_back(static_cast<token_t>(n));
  const auto numbers = tape.upload(own);
  auto x = unit_rows(tape, images, scale);
  if (factor) x = reshape(tape, linear(tape, reshape(tape, x, x.value().size()), factor), x.rows());
  const auto y = unit_rows(tape, texts);
  const auto of_images = detail::own_key_loss(tape, x, y, numbers);
  return {of_images, detail::own_key_loss(tape, y, x, numbers)};
}

}  // namespace transfusion
