// SPDX-License-Identifier: Apache-2.0
// A codec that only encodes is refused, and the compiler names the missing way back.
// expect: modality_codec
// expect: layer.decode(
#include "transfusion/codec/linear_patch.hpp"
#include "transfusion/exec/reference.hpp"

namespace tf = transfusion;

struct encoder {
  using options = tf::codec::linear_patch::options;
  static tf::patch_grid grid(tf::image_shape shape, const options& o) {
    return tf::codec::linear_patch::grid(shape, o);
  }

  template <class Exec>
  struct layer {
    tf::codec::linear_patch::layer<Exec> whole;

    auto encode(tf::tape<Exec>& tape, const tf::image_batch<Exec>& images) const { return whole.encode(tape, images); }
#ifndef TRANSFUSION_KO
    auto decode(tf::tape<Exec>& tape, tf::var<Exec> hidden, tf::no_skip skip,
                const tf::image_batch<Exec>& images) const {
      return whole.decode(tape, hidden, skip, images);
    }
#endif
  };
};

static_assert(tf::modality_codec<encoder, tf::reference_exec<double>>);
