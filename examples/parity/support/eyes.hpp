// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "parity/support/settings.hpp"
#include "scenes/support/fit.hpp"
#include "support/judge.hpp"
#include "transfusion/metric/frechet_bootstrap.hpp"

namespace parity {

/// Looks at pictures of scenes with two small networks, trained on real scenes with a fixed seed: a classifier of shape
/// and colour of the topmost object, whose features give the Fréchet distance to real scenes, and an embedder of
/// pictures and captions.
class eyes {
 public:
  static constexpr index_t classes = scenes::shape_count * scenes::colour_count;

  explicit eyes(const settings& s);

  /// Of pictures to held-out scenes, with its standard error over pictures. Resamples repeat pictures, which takes them
  /// away from real scenes: their interval would lie too high.
  tf::frechet_result frechet(const std::vector<tf::image>& pictures);
  /// As many real scenes to the same ones: what a perfect model would have.
  tf::frechet_result frechet_of_real();
  /// The share of other real scenes whose topmost object it names.
  double accuracy();
  /// 1 for each picture whose topmost object has the prompt's shape and colour, else 0. The prompts name a colour.
  std::vector<double> named(const std::vector<scenes::drawn_picture>& drawn);
  /// 100 · cos(picture, prompt) of each.
  std::vector<double> similarity(const std::vector<scenes::drawn_picture>& drawn);
  /// Of real scenes to their captions: those that `drawn` scenes are asked from.
  std::vector<double> similarity_of_real();

 private:
  std::vector<std::vector<double>> features_of(const std::vector<tf::image>& pictures);
  std::vector<index_t> labels_of(const std::vector<tf::image>& pictures);

  const settings* set_;
  support::judge judge_;
  tf::frechet_statistics reference_;
  std::unique_ptr<support::paired_embedder> embedder_;
};

/// The same pictures, each beside the prompt of the one `by` further on: what they show of prompts that were not seen.
std::vector<scenes::drawn_picture> exchanged(const std::vector<scenes::drawn_picture>& drawn, std::size_t by);

}  // namespace parity
