// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "transfusion/core/types.hpp"

namespace parity {

/// Hears of each step of a training, with a loss: all of a model's, the absolute error of an autoencoder's pixels.
using step_watch = std::function<void(transfusion::index_t step, double loss)>;

}  // namespace parity
