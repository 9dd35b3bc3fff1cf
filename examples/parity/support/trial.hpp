// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "parity/support/coders.hpp"
#include "parity/support/corpus.hpp"
#include "parity/support/eyes.hpp"
#include "parity/support/runner.hpp"

namespace parity {

/// What every training is given.
struct lab {
  const settings& set;
  const corpus& data;
  eyes& seen;
  const coder& vae;
  const coder& vq;
  const support::json_store& store;  ///< for checkpoints, and strips of pictures
};

/// Trains a model of the grid and measures it with its averaged weights, draws scenes among it. Goes on from the
/// checkpoint of a training that was broken off, to the same result but for the seconds.
template <class Exec>
result run_transfusion(Exec& e, const lab& l, const planned& p, const step_watch& watch);
template <class Exec>
result run_chameleon(Exec& e, const lab& l, const planned& p, const step_watch& watch);

}  // namespace parity
