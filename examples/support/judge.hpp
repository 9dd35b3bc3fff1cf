// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "support/idx.hpp"
#include "transfusion/autograd/op/swiglu.hpp"
#include "transfusion/exec/cpu.hpp"
#include "transfusion/layer/linear.hpp"

namespace support {

namespace tf = transfusion;
using tf::index_t;

/// A small classifier of real pictures that judges the generated ones. Three linear layers; it never sees a generated
/// picture. It always computes on the CPU, so that all devices' pictures meet the same judge.
class judge {
 public:
  using exec = tf::cpu_exec<float>;
  static constexpr index_t features = 128;

  /// `threads` = 0 takes every core.
  judge(int threads, index_t pixels, index_t classes, std::uint64_t seed);

  /// Trains on pictures, mirrored half of the time, with cross-entropy and AdamW.
  void train(const support::labelled_images& set, index_t epochs, std::uint64_t seed);

  /// Features and class scores of pictures in [-1, 1], `count` × pixels values.
  struct opinion {
    std::vector<index_t> labels;                ///< the likeliest class of each picture
    std::vector<std::vector<double>> features;  ///< what stands before the last layer
  };
  opinion look(const std::vector<float>& pictures);

 private:
  tf::var<exec> body(tf::tape<exec>& tape, const std::vector<float>& pictures);

  exec exec_;
  index_t pixels_;
  tf::parameter_set<exec> parameters_;
  tf::layer::linear<exec> first_, second_;
  tf::parameter<exec> last_;
};

/// The pictures of a set as one array in [-1, 1].
std::vector<float> pictures_of(const support::labelled_images& set, index_t begin, index_t end);

/// The share of a labelled set that the judge names rightly.
double accuracy(judge& j, const support::labelled_images& set);

}  // namespace support
