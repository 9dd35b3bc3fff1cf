// SPDX-License-Identifier: Apache-2.0
// A loss term has a name under which its value is logged.
// expect: loss_term
// expect: Term::name
#include "transfusion/exec/reference.hpp"
#include "transfusion/loss/concepts.hpp"

struct nothing {
#ifndef TRANSFUSION_KO
  static constexpr const char* name = "nothing";
#endif
  static constexpr double default_weight = 0;

  template <class Exec>
  static transfusion::loss::term_values<Exec> evaluate(transfusion::loss::context<Exec>&, double) {
    return {};
  }
};

static_assert(transfusion::loss::loss_term<nothing, transfusion::reference_exec<double>>);
