// SPDX-License-Identifier: Apache-2.0
// A variant whose mask is no mask is refused at the model, in the user's own words.
// expect: attention_mask
// expect: ablation
#include "transfusion/exec/reference.hpp"
#include "transfusion/model.hpp"

namespace tf = transfusion;

struct ablation : tf::paper {
#ifdef TRANSFUSION_KO
  using mask = tf::schedule::linear;
#else
  using mask = tf::mask::causal;
#endif
};

using small_model = tf::model<ablation, tf::reference_exec<double>>;
static_assert(sizeof(small_model) > 0);
