// SPDX-License-Identifier: Apache-2.0
// What a list of modalities names is a struct of policies.
// expect: continuous_modality
#include "transfusion/model.hpp"

namespace tf = transfusion;

struct sounds : tf::paper {};
struct sounds_without_schedule {
  using codec = tf::codec::raw;
};

#ifdef TRANSFUSION_KO
using listed = tf::modality_list<sounds_without_schedule>;
#else
using listed = tf::modality_list<sounds>;
#endif

static_assert(listed::count == 1);
