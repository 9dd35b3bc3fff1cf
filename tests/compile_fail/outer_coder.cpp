// SPDX-License-Identifier: Apache-2.0
// An outer coder gives items: their values alone have no shape.
// expect: outer_coder
#include "transfusion/codec/outer.hpp"

namespace tf = transfusion;

struct as_it_is {
#ifdef TRANSFUSION_KO
  std::vector<float> encode(const tf::image& item) const { return item.values; }
#else
  tf::image encode(const tf::image& item) const { return item; }
#endif
  tf::image decode(const tf::image& item) const { return item; }
};

static_assert(tf::codec::outer_coder<as_it_is>);
