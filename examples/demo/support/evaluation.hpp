// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "demo/support/fashion.hpp"
#include "support/judge.hpp"
#include "transfusion/metric/bootstrap.hpp"
#include "transfusion/metric/frechet_result.hpp"

namespace fashion {

using support::judge;

/// The model's caption of each picture, drawn greedily.
template <class Exec>
std::vector<std::string> greedy_captions(model<Exec>& m, const std::vector<tf::image>& pictures);

/// How often the model names test pictures rightly.
struct caption_accuracy {
  index_t pictures = 0;
  tf::bootstrap_result greedy;  ///< its own caption, word for word
  tf::bootstrap_result ranked;  ///< the likeliest of the ten captions
};
template <class Exec>
caption_accuracy measure_captions(model<Exec>& m, const data& d, index_t pictures);

/// How to draw pictures from captions.
struct drawing {
  double guidance = 3;
  int steps = 250;
  std::uint64_t seed = 1;
};

/// `each` pictures of every class, class by class.
template <class Exec>
std::vector<tf::image> draw_classes(model<Exec>& m, const data& d, index_t each, const drawing& how);

/// What the judge thinks of drawn pictures.
struct picture_quality {
  index_t pictures = 0;
  std::vector<double> judged;  ///< of each class, the share that the judge takes for it
  tf::bootstrap_result judged_all;
  tf::frechet_result frechet;       ///< drawn against the test set, in the judge's features
  tf::frechet_result frechet_real;  ///< as many real training pictures against the test set
  double judge_accuracy = 0;        ///< on the real test set
};
picture_quality measure_pictures(judge& j, const data& d, const std::vector<tf::image>& drawn);

}  // namespace fashion
