// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/philox.hpp"
#include "transfusion/sequence/document.hpp"

// What a model's pictures suffer from, to measure what the detector bears.
namespace scenes {

namespace tf = transfusion;

/// In this order. 0 leaves it out.
struct harm {
  double blur = 0;   ///< deviation of a Gaussian, in pixels
  double shift = 0;  ///< each channel's values move by the same, at most by this, up or down
  double noise = 0;  ///< deviation of normal noise; values reach from −1 to 1
};

/// The picture with a harm, drawn from the key.
tf::image harmed(tf::image picture, const harm& h, const tf::random_key& key);

}  // namespace scenes
