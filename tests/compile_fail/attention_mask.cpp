// SPDX-License-Identifier: Apache-2.0
// A mask answers with intervals of keys; one yes or no a key is refused.
// expect: attention_mask
#include "transfusion/mask/concepts.hpp"

struct window {
#ifdef TRANSFUSION_KO
  bool keys(transfusion::index_t q, const transfusion::span_table& table) const { return q > table.document_begin(q); }
#else
  transfusion::key_interval keys(transfusion::index_t q, const transfusion::span_table& table) const {
    return transfusion::key_interval::of(table.document_begin(q), q + 1);
  }
#endif
};

static_assert(transfusion::mask::intervals_per_row<window> == 1);
