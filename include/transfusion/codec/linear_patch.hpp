// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "transfusion/autograd/op/add.hpp"
#include "transfusion/autograd/op/patchify.hpp"
#include "transfusion/autograd/op/rows.hpp"
#include "transfusion/codec/concepts.hpp"
#include "transfusion/core/error.hpp"
#include "transfusion/layer/linear.hpp"
#include "transfusion/layer/timestep_mlp.hpp"

namespace transfusion::codec {

/// Where the embedding of the timestep joins the patches.
enum class time_place {
  after_projection,  ///< W p + e(t): fits the parameter counts of paper Table 7
  before_projection  ///< W (p + e(t)): the wording of the paper's footnote 6
};

/// The paper's linear codec: one linear layer from a patch to a row, one back, and an embedding of the timestep (§3, fn
/// 6).
struct linear_patch {
  struct options {
    index_t channels = 1;
    index_t patch = 2;
    time_place time = time_place::after_projection;

    /// Calls visit(name, member) for each: how options get into checkpoints and back.
    template <class Self, class Visit>
    static void visit_fields(Self& o, Visit visit) {
      visit("channels", o.channels);
      visit("patch", o.patch);
      visit("time", o.time);
    }
  };

  /// Throws config_error naming the option, the value found and the value expected.
  static void require_valid(const options& o) {
    require<config_error>(o.channels > 0, "codec.channels: found ", o.channels, ", expected > 0");
    require<config_error>(o.patch > 0, "codec.patch: found ", o.patch, ", expected > 0");
    require<config_error>(o.time == time_place::after_projection || o.time == time_place::before_projection,
                          "codec.time: found ", static_cast<int>(o.time),
                          ", expected 0 (after the projection) or 1 (before it)");
  }

  static patch_grid grid(image_shape shape, const options& o) {
    require_extent("image channels", shape.channels, o.channels);
    require<shape_error>(
        shape.height > 0 && shape.width > 0 && shape.height % o.patch == 0 && shape.width % o.patch == 0, "image of ",
        shape.height, " x ", shape.width, ": expected multiples of the patch size ", o.patch);
    return {shape.height / o.patch, shape.width / o.patch};
  }

  template <class Exec>
  struct layer {
    options sizes;
    transfusion::layer::linear<Exec> in, out;
    transfusion::layer::timestep_mlp<Exec> time;

    layer(parameter_set<Exec>& set, const std::string& name, const options& o, index_t width)
        : sizes((require_valid(o), o)),
          in(set, name + ".in", patch_values(), width, bias::on),
          out(set, name + ".out", width, patch_values(), bias::on, initial_value::zeros()),
          time(set, name + ".time", width, sizes.time == time_place::after_projection ? width : patch_values()) {}

    encoded_images<Exec, no_skip> encode(tape<Exec>& tape, const image_batch<Exec>& x) const {
      auto patches = patchify(tape, x.values, x.places, x.patches(), window(), sizes.channels);
      auto e = gather_rows(tape, time(tape, x.times), x.image_of_patch);
      if (sizes.time == time_place::before_projection) return {in(tape, add(tape, patches, e)), {}};
      return {add(tape, in(tape, patches), e), {}};
    }

    var<Exec> decode(tape<Exec>& tape, var<Exec> hidden, no_skip, const image_batch<Exec>& x) const {
      return unpatchify(tape, out(tape, hidden), x.places, window(), x.values.size());
    }

   private:
    patch_shape window() const { return {sizes.patch, sizes.patch}; }
    index_t patch_values() const { return sizes.channels * sizes.patch * sizes.patch; }
  };
};

}  // namespace transfusion::codec
