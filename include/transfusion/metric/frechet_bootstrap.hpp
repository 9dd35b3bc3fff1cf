// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "transfusion/metric/bootstrap.hpp"
#include "transfusion/metric/frechet.hpp"

namespace transfusion {

/// A Fréchet distance and its standard error over samples. It has no interval: a resample repeats samples, which takes
/// it away from the reference, so that the whole interval can lie above the distance.
struct frechet_result {
  double value = 0;
  double standard_error = 0;
};

/// The Fréchet distance of samples, a vector of features each, to a reference, with its standard error by the bootstrap
/// over the samples: right where the sets are far apart, up to twice too large where they are nearly alike. 200
/// resamples are enough for a standard error (Efron & Tibshirani 1993, §6.4). Throws what frechet_distance, bootstrap
/// and frechet_statistics::add throw.
inline frechet_result bootstrap_frechet(std::span<const std::vector<double>> samples,
                                        const frechet_statistics& reference,
                                        const bootstrap_options& options = {.resamples = 200}) {
  const auto distance = [&](const std::vector<index_t>& chosen) {
    frechet_statistics some(reference.width());
    for (const index_t i : chosen) {
      const auto& features = samples[static_cast<std::size_t>(i)];
      some.add(view<const double, 1>(features.data(), static_cast<index_t>(features.size())));
    }
    return frechet_distance(reference, some);
  };
  const auto found = bootstrap(static_cast<index_t>(samples.size()), distance, options);
  return {found.value, found.standard_error};
}

}  // namespace transfusion
