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

/// Where the embedding of the timestep joins the patches.
enum class time_place {
  after_projection,  ///< W p + e(t): fits the parameter counts of paper Table 7
  before_projection  ///< W (p + e(t)): the wording of the paper's footnote 6
};

/// The paper's linear codec: one linear layer from a patch to a row, one back, and an embedding of the timestep (§3, fn
/// 6). Patches are windows of 1, 2 or 3 axes.
struct linear_patch {
  struct options {
    index_t channels = 1;
    index_t patch = 2;         ///< width of the window, and its height unless that is given: squares in an image
    index_t patch_height = 0;  ///< 0: as `patch`; 1 for a signal
    index_t patch_depth = 1;   ///< more than 1 for a volume
    time_place time = time_place::after_projection;

    /// Calls visit(name, member) for each: how options get into checkpoints and back.
    template <class Self, class Visit>
    static void visit_fields(Self& o, Visit visit) {
      visit("channels", o.channels);
      visit("patch", o.patch);
      visit("patch_height", o.patch_height);
      visit("patch_depth", o.patch_depth);
      visit("time", o.time);
    }
  };

  /// Latents of 8 channels in 2 × 2 patches (§4.1).
  static options paper_options() { return {.channels = 8, .patch = 2}; }

  /// Throws config_error naming the option, the value found and the value expected.
  static void require_valid(const options& o) {
    require<config_error>(o.channels > 0, "codec.channels: found ", o.channels, ", expected > 0");
    require<config_error>(o.patch > 0, "codec.patch: found ", o.patch, ", expected > 0");
    require<config_error>(o.patch_height >= 0, "codec.patch_height: found ", o.patch_height, ", expected >= 0");
    require<config_error>(o.patch_depth > 0, "codec.patch_depth: found ", o.patch_depth, ", expected > 0");
    require<config_error>(o.time == time_place::after_projection || o.time == time_place::before_projection,
                          "codec.time: found ", static_cast<int>(o.time),
                          ", expected 0 (after the projection) or 1 (before it)");
  }

  static patch_shape window(const options& o) {
    return {o.patch_height == 0 ? o.patch : o.patch_height, o.patch, o.patch_depth};
  }

  static patch_grid grid(image_shape shape, const options& o) { return cut(shape, o.channels, window(o)); }

  template <class Exec>
  struct layer {
    options sizes;
    transfusion::layer::linear<Exec> in, out;
    std::optional<transfusion::layer::timestep_mlp<Exec>> time;

    /// Without `tells_time` the rows do not depend on the timestep: for variants that tell it elsewhere.
    layer(parameter_set<Exec>& set, const std::string& name, const options& o, index_t width, bool tells_time = true);

    encoded_images<Exec, no_skip> encode(tape<Exec>& tape, const image_batch<Exec>& x) const;
    var<Exec> decode(tape<Exec>& tape, var<Exec> hidden, no_skip, const image_batch<Exec>& x) const;

   private:
    index_t patch_values() const { return sizes.channels * window(sizes).size(); }
  };
};

template <class Exec>
linear_patch::layer<Exec>::layer(parameter_set<Exec>& set, const std::string& name, const options& o, index_t width,
                                 bool tells_time)
    : sizes((require_valid(o), o)),
      in(set, name + ".in", patch_values(), width, bias::on),
      out(set, name + ".out", width, patch_values(), bias::on, initial_value::zeros()) {
  const index_t embedded = sizes.time == time_place::after_projection ? width : patch_values();
  if (tells_time) time.emplace(set, name + ".time", width, embedded);
}

template <class Exec>
encoded_images<Exec, no_skip> linear_patch::layer<Exec>::encode(tape<Exec>& tape, const image_batch<Exec>& x) const {
  auto patches = patchify(tape, x.values, x.places, x.patches(), window(sizes), sizes.channels);
  if (!time) return {in(tape, patches), {}};
  auto e = gather_rows(tape, (*time)(tape, x.times), x.image_of_patch);
  if (sizes.time == time_place::before_projection) return {in(tape, add(tape, patches, e)), {}};
  return {add(tape, in(tape, patches), e), {}};
}

template <class Exec>
var<Exec> linear_patch::layer<Exec>::decode(tape<Exec>& tape, var<Exec> hidden, no_skip,
                                            const image_batch<Exec>& x) const {
  return unpatchify(tape, out(tape, hidden), x.places, window(sizes), x.values.size());
}

}  // namespace transfusion::codec
