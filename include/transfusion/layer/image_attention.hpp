// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <string>

#include "transfusion/autograd/op/add.hpp"
#include "transfusion/autograd/op/attention.hpp"
#include "transfusion/layer/group_norm.hpp"
#include "transfusion/layer/linear.hpp"
#include "transfusion/layer/pixel_pyramid.hpp"

namespace transfusion::layer {

/// x + attention among the pixels of each image, behind a group norm and without positions (Ho et al. 2020, appendix
/// B). The output's weights start at 0.
template <class Exec>
struct image_attention {
  group_norm<Exec> norm;
  linear<Exec> query, key, value, out;
  attention_shape shape;

  image_attention(parameter_set<Exec>& set, const std::string& name, index_t channels, index_t heads, index_t groups)
      : norm(set, name + ".norm", channels, groups),
        query(set, name + ".query", channels, channels, bias::on, initial_value::keeping_size(channels)),
        key(set, name + ".key", channels, channels, bias::on, initial_value::keeping_size(channels)),
        value(set, name + ".value", channels, channels, bias::on, initial_value::keeping_size(channels)),
        out(set, name + ".out", channels, channels, bias::on, initial_value::zeros()),
        shape{heads, heads, channels / heads, 1 / std::sqrt(static_cast<double>(channels / heads))} {}

  /// x, result: [N, C] of this level.
  var<Exec> operator()(tape<Exec>& tape, var<Exec> x, const pixel_level& level) const {
    const auto normed = norm(tape, x, level.images);
    const auto seen = transfusion::attention(tape, query(tape, normed), key(tape, normed), value(tape, normed),
                                             level.own_image, shape);
    return add(tape, x, out(tape, seen));
  }
};

}  // namespace transfusion::layer
