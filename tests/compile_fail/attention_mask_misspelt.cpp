// SPDX-License-Identifier: Apache-2.0
// A mask whose function has another name is refused, and the compiler says which one it looked for.
// expect: attention_mask
// expect: m.keys(q, table)
#include "transfusion/mask/concepts.hpp"

namespace tf = transfusion;

struct window {
#ifdef TRANSFUSION_KO
  tf::key_interval key(tf::index_t q, const tf::span_table& table) const {
#else
  tf::key_interval keys(tf::index_t q, const tf::span_table& table) const {
#endif
      return tf::key_interval::of(table.document_begin(q), q + 1);
}
}
;

static_assert(tf::attention_mask<window>);
