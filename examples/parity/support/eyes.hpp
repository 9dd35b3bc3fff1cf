// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "parity/support/settings.hpp"
#include "scenes/support/prompt.hpp"
#include "support/judge.hpp"
#include "transfusion/metric/frechet.hpp"
#include "transfusion/sequence/document.hpp"

namespace parity {

/// Looks at pictures of scenes with a small classifier of shape and colour of the topmost object, trained on real
/// scenes with a fixed seed. Its features give the Fréchet distance to real scenes.
class eyes {
 public:
  explicit eyes(const settings& s);

  /// Of pictures to held-out scenes.
  double frechet(const std::vector<tf::image>& pictures);
  /// As many real scenes to the same ones: what a perfect model would have.
  double frechet_of_real();
  /// The share of other real scenes whose topmost object it names.
  double accuracy();
  /// 1 for each picture whose topmost object has the prompt's shape and colour, else 0. The prompts name a colour.
  std::vector<double> named(const std::vector<scenes::prompt>& asked, const std::vector<tf::image>& pictures);

 private:
  tf::frechet_statistics statistics_of(const std::vector<tf::image>& pictures);
  std::vector<index_t> labels_of(const std::vector<tf::image>& pictures);

  const settings* set_;
  support::judge judge_;
  tf::frechet_statistics reference_;
};

}  // namespace parity
