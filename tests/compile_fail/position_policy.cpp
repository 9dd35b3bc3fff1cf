// SPDX-License-Identifier: Apache-2.0
// A position is a whole number for each row.
// expect: position_policy
// expect: p.at(q, table)
#include "transfusion/sequence/position.hpp"

struct none {
#ifdef TRANSFUSION_KO
  transfusion::index_t at(transfusion::index_t q) const { return q; }
#else
  transfusion::index_t at(transfusion::index_t, const transfusion::span_table&) const { return 0; }
#endif
};

static_assert(transfusion::position_policy<none>);
