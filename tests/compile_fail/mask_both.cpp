// SPDX-License-Identifier: Apache-2.0
// Two masks of two intervals may have three in common, which no kernel takes: refused, with both names.
// expect: two masks of two intervals have up to three in common
// expect: mask::both<transfusion::mask::noised_hidden, transfusion::mask::either<
#include "transfusion/mask/both.hpp"
#include "transfusion/mask/causal.hpp"
#include "transfusion/mask/either.hpp"
#include "transfusion/mask/intra_image.hpp"
#include "transfusion/mask/noised_hidden.hpp"

namespace mask = transfusion::mask;

#ifdef TRANSFUSION_KO
using mine = mask::both<mask::noised_hidden, mask::either<mask::causal, mask::intra_image>>;
#else
using mine = mask::both<mask::noised_hidden, mask::causal>;
#endif

static_assert(mask::intervals_per_row<mine> == 2);
