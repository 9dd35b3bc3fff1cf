// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <numeric>
#include <span>
#include <vector>

#include "transfusion/metric/bootstrap.hpp"
#include "transfusion/metric/frechet.hpp"
#include "transfusion/metric/frechet_result.hpp"

namespace transfusion {

/// Mean and covariance of the samples with these indices, a vector of features each. Throws config_error on no samples,
/// and what frechet_statistics::add throws.
inline frechet_statistics frechet_statistics_of(std::span<const std::vector<double>> samples,
                                                const std::vector<index_t>& chosen) {
  require<config_error>(!samples.empty(), "frechet_statistics_of: found no samples, expected some");
  frechet_statistics some(static_cast<index_t>(samples.front().size()));
  for (const index_t i : chosen) {
    const auto& features = samples[static_cast<std::size_t>(i)];
    some.add(view<const double, 1>(features.data(), static_cast<index_t>(features.size())));
  }
  return some;
}
/// Those of all samples.
inline frechet_statistics frechet_statistics_of(std::span<const std::vector<double>> samples) {
  std::vector<index_t> all(samples.size());
  std::iota(all.begin(), all.end(), index_t{0});
  return frechet_statistics_of(samples, all);
}

/// The Fréchet distance of samples to a reference of other samples, with its standard error by the bootstrap over the
/// samples: right where the sets are far apart, up to twice too large where they are nearly alike. Where each sample
/// has a partner in the reference, as a rebuilt picture has, it is far too large: resample the pairs. 200 resamples are
/// enough for a standard error (Efron & Tibshirani 1993, §6.4). Throws what frechet_distance, bootstrap and
/// frechet_statistics_of throw.
inline frechet_result bootstrap_frechet(std::span<const std::vector<double>> samples,
                                        const frechet_statistics& reference,
                                        const bootstrap_options& options = {.resamples = 200}) {
  const auto distance = [&](const std::vector<index_t>& chosen) {
    return frechet_distance(reference, frechet_statistics_of(samples, chosen));
  };
  const auto found = bootstrap(static_cast<index_t>(samples.size()), distance, options);
  return {found.value, found.standard_error};
}

}  // namespace transfusion
