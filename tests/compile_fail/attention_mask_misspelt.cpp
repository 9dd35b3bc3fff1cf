// SPDX-License-Identifier: Apache-2.0
// A mask whose function has another name is refused, and the compiler says which one it looked for.
// expect: attention_mask
// expect: m.keys(q, table)
#include "transfusion/mask/concepts.hpp"

namespace tf = transfusion;

#ifdef TRANSFUSION_KO
#define NAME key
#else
#define NAME keys
#endif

struct window {
  tf::key_interval NAME(tf::index_t q, const tf::span_table& table) const {
    return tf::key_interval::of(table.document_begin(q), q + 1);
  }
};

static_assert(tf::attention_mask<window>);
