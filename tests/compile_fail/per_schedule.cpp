// SPDX-License-Identifier: Apache-2.0
// A weighting that reads a schedule reads the one beside it: another one would weigh by levels that do not occur.
// expect: S is not the schedule of the variant or modality beside it
#include "transfusion/exec/reference.hpp"
#include "transfusion/model.hpp"

namespace tf = transfusion;

struct ablation : tf::paper {
  using schedule = tf::schedule::linear;
#ifdef TRANSFUSION_KO
  using weighting = tf::weighting::per_schedule<tf::schedule::cosine>;
#else
  using weighting = tf::weighting::per_schedule<schedule>;
#endif
};

static_assert(sizeof(tf::model<ablation, tf::reference_exec<double>>) > 0);
