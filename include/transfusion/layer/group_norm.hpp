// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "transfusion/autograd/op/group_norm.hpp"

namespace transfusion::layer {

/// Groups of channels normed over the pixels of each image (Wu & He 2018). Parameters `name` and `name.bias` [C].
template <class Exec>
struct group_norm {
  static constexpr double epsilon = 1e-5;

  parameter<Exec> weight, offset;
  index_t groups;

  group_norm(parameter_set<Exec>& set, const std::string& name, index_t channels, index_t groups_)
      : weight(set.declare(name, {channels}, initial_value::ones(), decay::off)),
        offset(set.declare(name + ".bias", {channels}, initial_value::zeros(), decay::off)),
        groups(groups_) {}

  /// x, result: [N, C]; images: the rows of each image, on the device.
  var<Exec> operator()(tape<Exec>& tape, var<Exec> x, view<const key_interval, 1> images) const {
    return transfusion::group_norm(tape, x, weight, offset, images, groups, epsilon);
  }
};

}  // namespace transfusion::layer
