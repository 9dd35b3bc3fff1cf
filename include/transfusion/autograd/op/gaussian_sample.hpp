// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/tape.hpp"
#include "transfusion/core/interval.hpp"

namespace transfusion {

/// Latents, and how far the distributions that they come from are from a standard normal.
template <class Exec>
struct sampled_latent {
  var<Exec> z;                      ///< [P, C]
  view<typename Exec::real, 1> kl;  ///< [I]: KL divergence of image i in nats, summed over its rows and channels
};

/// z = mean + exp(log variance / 2) · noise (Kingma & Welling 2014, §2.4). A root as well: on a recording tape it
/// starts the gradient of Σ weights[i] · kl[i], kl = ½ Σ (mean² + variance - 1 - log variance) (appendix B); without
/// weights it does not. moments: [P, 2C], C means, then C log-variances, clamped as core/log_variance.hpp says; noise:
/// [P, C], or empty: z is the mean; ranges: [I] on the device, the rows of each image, all rows covered once; noise and
/// ranges must live until the way back is done.
template <class Exec>
sampled_latent<Exec> gaussian_sample(tape<Exec>& tape, var<Exec> moments, view<const typename Exec::real, 2> noise,
                                     view<const key_interval, 1> ranges, view<const typename Exec::real, 1> weights) {
  const index_t channels = moments.cols() / 2;
  require<shape_error>(moments.cols() % 2 == 0, "gaussian_sample: columns of the moments: found ", moments.cols(),
                       ", expected an even number");
  if (noise) {
    require_extent("gaussian_sample: rows of the noise", noise.rows(), moments.rows());
    require_extent("gaussian_sample: columns of the noise", noise.cols(), channels);
  }
  require<shape_error>(ranges.size() > 0 || !tape.records(),
                       "gaussian_sample: found no ranges of images on a tape that records, expected one at least");
  if (weights) require_extent("gaussian_sample: weights", weights.size(), ranges.size());
  // The divergence first: its gradient does not wait for anyone to use z.
  const auto kl = tape.saved_real(ranges.size());
  if (weights)
    if (const auto dmoments = tape.sink(moments))
      tape.exec().gaussian_sample_backward(dmoments, {}, moments.value(), noise, ranges, weights);
  auto z = tape.variable(moments.rows(), channels);
  tape.exec().gaussian_sample(z.value(), kl, moments.value(), noise, ranges);
  tape.on_backward([=](auto& t) {
    if (const auto dmoments = t.sink(moments))
      t.exec().gaussian_sample_backward(dmoments, t.gradient(z), moments.value(), noise, ranges, {});
  });
  return {z, kl};
}

}  // namespace transfusion
