// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "ablation/support/corpus.hpp"

namespace ablation {

/// What drawn pictures are like.
struct picture_quality {
  double frechet = 0;
  std::optional<double> judged;  ///< share taken for what was asked for; nothing where there is no judge
};

/// Looks at drawn pictures. Where captions are classes, a small classifier trained on the real pictures judges them,
/// and gives the features of the Fréchet distance to the held-out pictures. Otherwise the features are the pictures'
/// means over 8 × 8 areas, and the distance is that to all pictures.
class gallery {
 public:
  /// Trains the judge, or does nothing for long. `threads` = 0 takes every core.
  gallery(const corpus& data, int threads);
  ~gallery();

  /// Of pictures drawn from these captions.
  picture_quality measure(const std::vector<tf::image>& drawn, const std::vector<index_t>& captions) const;

  /// As many real training pictures, by the same measures.
  picture_quality of_real(index_t count) const;

 private:
  struct eyes;

  const corpus* data_;
  std::unique_ptr<eyes> eyes_;
};

}  // namespace ablation
