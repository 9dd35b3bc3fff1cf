// SPDX-License-Identifier: Apache-2.0
// A policy without an operation is refused where a model is made.
// expect: execution_policy
// expect: e.adamw(
#include "transfusion/exec/reference.hpp"
#include "transfusion/model.hpp"

struct inference_only : transfusion::reference_exec<double> {
#ifdef TRANSFUSION_KO
  void adamw();
#endif
};

static_assert(sizeof(transfusion::model<transfusion::paper, inference_only>) > 0);
