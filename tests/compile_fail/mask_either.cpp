// SPDX-License-Identifier: Apache-2.0
// A union with noised_hidden would show a noised image its clean copy: refused, with both names.
// expect: would show a noised image its clean copy
// expect: mask::either<transfusion::mask::noised_hidden, transfusion::mask::causal>
#include "transfusion/mask/causal.hpp"
#include "transfusion/mask/either.hpp"
#include "transfusion/mask/intra_image.hpp"
#include "transfusion/mask/noised_hidden.hpp"

namespace mask = transfusion::mask;

#ifdef TRANSFUSION_KO
using mine = mask::either<mask::noised_hidden, mask::causal>;
#else
using mine = mask::either<mask::intra_image, mask::causal>;
#endif

static_assert(mask::intervals_per_row<mine> == 2);
