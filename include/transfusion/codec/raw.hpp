// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "transfusion/autograd/op/add.hpp"
#include "transfusion/autograd/op/patchify.hpp"
#include "transfusion/autograd/op/rows.hpp"
#include "transfusion/codec/concepts.hpp"
#include "transfusion/codec/windows.hpp"
#include "transfusion/core/error.hpp"
#include "transfusion/layer/linear.hpp"
#include "transfusion/layer/timestep_mlp.hpp"

namespace transfusion::codec {

/// Every pixel, sample or voxel is a row: its C values themselves where C is the width D, through one linear layer each
/// way where it is not (paper Table 6, the rows of 1 × 1). With C = D there are no weights, so that the first
/// prediction is not 0.
struct raw {
  struct options {
    index_t channels = 1;

    /// Calls visit(name, member) for each: how options get into checkpoints and back.
    template <class Self, class Visit>
    static void visit_fields(Self& o, Visit visit) {
      visit("channels", o.channels);
    }
  };

  /// Throws config_error naming the option, the value found and the value expected.
  static void require_valid(const options& o) {
    require<config_error>(o.channels > 0, "codec.channels: found ", o.channels, ", expected > 0");
  }

  static patch_grid grid(image_shape shape, const options& o) { return cut(shape, o.channels, {}); }

  template <class Exec>
  struct layer {
    index_t channels;
    std::optional<transfusion::layer::linear<Exec>> in, out;
    std::optional<transfusion::layer::timestep_mlp<Exec>> time;

    layer(parameter_set<Exec>& set, const std::string& name, const options& o, index_t width, bool tells_time = true)
        : channels((require_valid(o), o.channels)) {
      if (channels != width) {
        in.emplace(set, name + ".in", channels, width, bias::on);
        out.emplace(set, name + ".out", width, channels, bias::on, initial_value::zeros());
      }
      if (tells_time) time.emplace(set, name + ".time", width, width);
    }

    encoded_images<Exec, no_skip> encode(tape<Exec>& tape, const image_batch<Exec>& x) const {
      const auto pixels = patchify(tape, x.values, x.places, x.patches(), {}, channels);
      const auto rows = in ? (*in)(tape, pixels) : pixels;
      if (!time) return {rows, {}};
      return {add(tape, rows, gather_rows(tape, (*time)(tape, x.times), x.image_of_patch)), {}};
    }

    var<Exec> decode(tape<Exec>& tape, var<Exec> hidden, no_skip, const image_batch<Exec>& x) const {
      return unpatchify(tape, out ? (*out)(tape, hidden) : hidden, x.places, {}, x.values.size());
    }
  };
};

}  // namespace transfusion::codec
