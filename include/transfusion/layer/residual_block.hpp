// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "transfusion/autograd/op/add.hpp"
#include "transfusion/autograd/op/rows.hpp"
#include "transfusion/autograd/op/swiglu.hpp"
#include "transfusion/layer/group_norm.hpp"
#include "transfusion/layer/linear.hpp"
#include "transfusion/layer/pixel_pyramid.hpp"

namespace transfusion::layer {

/// Norm, SiLU, convolution; plus the embedded time; norm, SiLU, convolution; plus the input (Ho et al. 2020, appendix
/// B; without the scale and shift of Nichol & Dhariwal 2021). The second convolution starts at 0. Where the channels
/// change, the input passes a linear layer that keeps its size: what comes from far down a U-Net passes many of them.
/// A time width of 0 leaves the time out (Esser et al. 2021).
template <class Exec>
struct residual_block {
  group_norm<Exec> norm_in;
  convolution<Exec> conv_in;
  std::optional<linear<Exec>> time;
  group_norm<Exec> norm_out;
  convolution<Exec> conv_out;
  std::optional<linear<Exec>> shortcut;

  residual_block(parameter_set<Exec>& set, const std::string& name, index_t taps, index_t in, index_t out,
                 index_t time_width, index_t groups)
      : norm_in(set, name + ".norm_in", in, groups),
        conv_in(set, name + ".conv_in", taps, in, out),
        time(time_of(set, name, time_width, out)),
        norm_out(set, name + ".norm_out", out, groups),
        conv_out(set, name + ".conv_out", taps, out, out, initial_value::zeros()) {
    if (in != out) shortcut.emplace(set, name + ".shortcut", in, out, bias::on, initial_value::keeping_size(in));
  }

  /// x: [N, in] of this level; embedded_time: [I, time width], empty where the block has no time; result: [N, out].
  var<Exec> operator()(tape<Exec>& tape, var<Exec> x, var<Exec> embedded_time, const pixel_level& level) const {
    auto h = conv_in(tape, silu(tape, norm_in(tape, x, level.images)), level.window);
    if (time) h = add(tape, h, gather_rows(tape, (*time)(tape, embedded_time), level.image_of_row));
    h = conv_out(tape, silu(tape, norm_out(tape, h, level.images)), level.window);
    return add(tape, shortcut ? (*shortcut)(tape, x) : x, h);
  }
  var<Exec> operator()(tape<Exec>& tape, var<Exec> x, const pixel_level& level) const {
    return (*this)(tape, x, {}, level);
  }

 private:
  static std::optional<linear<Exec>> time_of(parameter_set<Exec>& set, const std::string& name, index_t width,
                                             index_t out) {
    if (width == 0) return {};
    return linear<Exec>(set, name + ".time", width, out, bias::on, initial_value::keeping_size(width));
  }
};

}  // namespace transfusion::layer
