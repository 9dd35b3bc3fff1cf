// SPDX-License-Identifier: Apache-2.0
// A codec's decoder gives a variable of the tape, not its memory.
// expect: modality_codec
#include "transfusion/codec/concepts.hpp"
#include "transfusion/exec/reference.hpp"

namespace tf = transfusion;

struct pass_through {
  struct options {};
  static tf::patch_grid grid(tf::image_shape shape, const options&) { return {shape.height, shape.width}; }

  template <class Exec>
  struct layer {
    layer(tf::parameter_set<Exec>&, const std::string&, const options&, tf::index_t) {}
    tf::encoded_images<Exec, tf::no_skip> encode(tf::tape<Exec>&, const tf::image_batch<Exec>&) const { return {}; }
#ifdef TRANSFUSION_KO
    auto decode(tf::tape<Exec>&, tf::var<Exec> hidden, tf::no_skip, const tf::image_batch<Exec>&) const {
      return hidden.value;
    }
#else
    tf::var<Exec> decode(tf::tape<Exec>&, tf::var<Exec> hidden, tf::no_skip, const tf::image_batch<Exec>&) const {
      return hidden;
    }
#endif
  };
};

static_assert(tf::modality_codec<pass_through, tf::reference_exec<double>>);
