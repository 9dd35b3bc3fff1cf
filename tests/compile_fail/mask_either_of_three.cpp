// SPDX-License-Identifier: Apache-2.0
// A union that may be three intervals is refused, with both names.
// expect: there may be three together; kernels take two
// expect: mask::either<transfusion::mask::either<transfusion::mask::causal, transfusion::mask::intra_image>
#include "transfusion/mask/causal.hpp"
#include "transfusion/mask/either.hpp"
#include "transfusion/mask/intra_image.hpp"

namespace mask = transfusion::mask;

#ifdef TRANSFUSION_KO
using mine = mask::either<mask::either<mask::causal, mask::intra_image>, mask::causal>;
#else
using mine = mask::either<mask::causal, mask::intra_image>;
#endif

static_assert(mask::intervals_per_row<mine> == 2);
