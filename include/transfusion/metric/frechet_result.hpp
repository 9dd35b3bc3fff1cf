// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace transfusion {

/// A Fréchet distance and its standard error over samples. It has no interval: a resample repeats samples, which takes
/// it away from the reference, so that the whole interval can lie above the distance.
struct frechet_result {
  double value = 0;
  double standard_error = 0;
};

}  // namespace transfusion
