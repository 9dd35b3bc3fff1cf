// SPDX-License-Identifier: Apache-2.0
// A model checks the codec of its variant and says which alias is wrong.
// expect: is no modality_codec for this policy
#include "transfusion/exec/reference.hpp"
#include "transfusion/model.hpp"

namespace tf = transfusion;

struct half_codec {
  struct options {};
  template <class Exec>
  struct layer {};
};

struct ablation : tf::paper {
#ifdef TRANSFUSION_KO
  using codec = half_codec;
#endif
};

static_assert(sizeof(tf::model<ablation, tf::reference_exec<double>>) > 0);
